"""What `docgraph adapt` gains on books that it has not read, and what it costs elsewhere.

    python -m benchmarks.adapt [--output runs/adapt] [--every 4] [--cache FILE] [--parts pages quiz xquad bbc]

    train   MiniLM is adapted to seven OpenStax books (anatomy, chemistry, economics, entrepreneurship, microbiology,
            political science, world history), in `--train-minutes`; what is there is taken
    pages   heading, caption, definition -> section of business and anthropology, by the vector of the node, with its
            best passage, and by `docgraph search`
    quiz    quiz question -> page of psychology, US history and astronomy
    xquad   question -> passage in English, Chinese and Russian
    bbc     the ten nearest documents of BBC

Each part is read by the start and by the adapted model. Parts that are not asked for stay as they were recorded. Writes
benchmarks/results/adapt.json and adapt.md.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.clock import about
from benchmarks.page import command_line, made_by, publish, record, recorded
from benchmarks.retrieval import systems
from benchmarks.retrieval.classes import agree, bbc
from benchmarks.retrieval.flat import xquad
from benchmarks.retrieval.measure import compared, gains
from benchmarks.retrieval.pages import read_pages
from benchmarks.retrieval.systems import Places
from benchmarks.retrieval.tasks import TITLES, tasks
from encoders import Embedder
from training.adapt.run import adapt
from training.inputs import find_inputs
from training.output.markdown import table

BOOKS: Final = (
    "anatomy-physiology", "chemistry", "economics", "entrepreneurship", "microbiology", "political-science",
    "world-history",
)  # fmt: skip
SECTIONS: Final = ("heading", "caption", "definition")

Values = dict[str, NDArray[np.float64]]
"""What a system scores on each query or document."""


def page_scores(data: Path, name: str, wanted: tuple[str, ...], every: int, embedder: Embedder) -> dict[str, Values]:
    """Return nDCG@10 of each query by task and system."""
    pages, queries = read_pages(data, name)
    found = {}
    for task in tasks(pages[::every], queries):
        if task.name in wanted:
            nodes, best = systems.docgraph(task.places, task.queries, embedder)
            made = {"vector of the node": nodes, "with its best passage": best}
            made["`docgraph search`"] = systems.search(task.places, task.queries, embedder)
            found[TITLES[task.name]] = {system: gains(one, task.relevant)["ndcg"] for system, one in made.items()}
    return found


def xquad_scores(data: Path, every: int, embedder: Embedder) -> dict[str, Values]:
    """Return nDCG@10 of each question by language."""
    found = {}
    for language in ("en", "zh", "ru"):
        documents, queries, relevant = xquad(data, language)
        places = Places(documents, range(len(documents)), [0] * len(documents), "document")
        nodes, _ = systems.docgraph(places, queries[::every], embedder)
        found[f"XQuAD {language}"] = {"vector of the node": gains(nodes, relevant[::every])["ndcg"]}
    return found


def bbc_scores(data: Path, every: int, embedder: Embedder) -> dict[str, Values]:
    """Return whether each document's ten nearest have its class."""
    documents, labels = bbc(data)
    vectors = embedder.encode(documents[::every]).vectors
    return {"BBC, ten nearest": {"vector of the node": agree(vectors, labels[::every])}}


def beside(start: Mapping[str, Values], adapted: Mapping[str, Values]) -> dict[str, Any]:
    """Return the means of both and their difference."""
    return {
        task: {
            system: {
                "queries": len(values),
                "start": float(values.mean()),
                "adapted": float(adapted[task][system].mean()),
                "difference": compared(adapted[task][system], values),
            }
            for system, values in some.items()
        }
        for task, some in start.items()
    }


def report(found: Mapping[str, Any]) -> str:
    """Return the page."""
    trained, parts = found["trained"], [part for part in PARTS if part in found]
    gain = trained["gain"]
    rows = [
        [
            task,
            system,
            f"{one['queries']:,}",
            f"{one['start']:.3f}",
            f"{one['adapted']:.3f}",
            "{value:+.3f} ({low:+.3f} to {high:+.3f})".format(**one["difference"]),
        ]
        for part in parts
        for task, some in found[part]["tasks"].items()
        for system, one in some.items()
    ]
    return f"""# Adapting an encoder to pages

{(__doc__ or "").partition(chr(10))[0]}

MiniLM, adapted to {trained["documents"]} pages of seven OpenStax books by their structure alone: \
{trained["pairs"]["train"]:,} pairs to learn from, {trained["steps"]} steps of {trained["settings"]["batch"]} pairs, \
{trained["seconds"] / 60:.0f} minutes; the weights lie {trained["blends"][0][0]:.0%} of the way from the start to \
where it ended. On the held-out book of the seven it found {gain["value"]:+.3f} \
({gain["low"]:+.3f} to {gain["high"]:+.3f}) nDCG@10, mean over pairs; `docgraph adapt` decides by that alone. The \
table is of other books and other tasks ({", ".join(f"{part}: one in {found[part]['every']}" for part in parts)}). \
nDCG@10, BBC: accuracy; differences with the 95 % interval of a paired bootstrap over queries.

{table(["task", "system", "queries", "start", "adapted", "difference"], rows)}

{made_by(found["about"])}
"""


PARTS: Final[dict[str, Callable[[Path, int, Embedder], dict[str, Values]]]] = {
    "pages": lambda data, every, embedder: page_scores(data, "ccby", SECTIONS, every, embedder),
    "quiz": lambda data, every, embedder: page_scores(data, "dev", ("quiz",), every, embedder),
    "xquad": xquad_scores,
    "bbc": bbc_scores,
}


def main() -> None:
    """Adapt, unless that is done, and measure the parts that are asked for."""
    parser = command_line(__doc__ or "")
    parser.add_argument("--output", type=Path, default=Path("runs/adapt"), help="folder of the adapted model")
    parser.add_argument("--train-minutes", type=float, default=30.0)
    parser.add_argument("--every", type=int, default=4, help="every n-th page, question or document only")
    parser.add_argument("--cache", type=Path, help="SQLite file that keeps vectors between calls")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    chosen = parser.parse_args()
    books = [chosen.data / "html_images" / "openstax" / "html" / book for book in BOOKS]
    done = adapt(find_inputs(books), chosen.output, minutes=chosen.train_minutes, anyway=True)
    found = recorded("adapt", chosen.results)
    found["trained"] = json.loads(json.dumps(done.result))
    start, adapted = (Embedder.from_pretrained(model, cache=chosen.cache) for model in (None, chosen.output))
    for part in chosen.parts:
        scores = [PARTS[part](chosen.data, chosen.every, embedder) for embedder in (start, adapted)]
        found[part] = {"every": chosen.every, "tasks": beside(*scores)}
        found["about"] = about("torch", "sentence-transformers", "docgraph")
        record("adapt", found, chosen.results)
        print(part, flush=True)
    publish("adapt", report(found), chosen.results)


if __name__ == "__main__":
    main()
