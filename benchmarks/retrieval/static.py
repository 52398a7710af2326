"""What docgraph-static keeps of MiniLM, beside wordllama: in search, alone, and how fast it is.

    python -m benchmarks.retrieval.static [--data FOLDER] [--every 3] [--cache FILE] [--wordllama FOLDER] [--parts ...]

    pages   eight tasks (tasks.py) on psychology, US history and astronomy, which the model never saw
    flat    XQuAD in three scripts, Cranfield
    speed   the same paragraphs, all different, on one core, in turn: processor time

Each model has an index of its own; of the standard scores that `docgraph search` adds up, those of words alone, those
of the vectors alone, and all are taken. The weights of the sum were chosen on the same books with MiniLM, which favours
MiniLM. wordllama: the folder that its wheel unpacks to. Writes benchmarks/results/static.json and static.md.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from benchmarks.clock import about
from benchmarks.page import command_line, made_by, points, publish, record, recorded
from benchmarks.retrieval.flat import cranfield, xquad
from benchmarks.retrieval.measure import compared, gains
from benchmarks.retrieval.pages import read_pages
from benchmarks.retrieval.systems import Places, indexed
from benchmarks.retrieval.tasks import TITLES, Task, tasks
from docgraph.embedding.embeddings import Vectors, unit
from docgraph.embedding.reader import TextReader
from docgraph.embedding.static import NAME, StaticEncoder
from docgraph.index import search
from docgraph.index.words import terms
from encoders import Embedder
from training.output.markdown import table

PARTS: Final = ("pages", "flat", "speed")
SUMS: Final = ("words", "alone", "search")

Scores = dict[str, NDArray[np.float64]]


class WordLlama(StaticEncoder):
    """Its table and tokenizer, read from its wheel; a text is the mean of its tokens."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizers" / "l2_supercat_tokenizer_config.json"))
        (self.table,) = load_file(folder / "weights" / "l2_supercat_256.safetensors").values()
        self.table = self.table.astype(np.float32)
        self.tokenizer_name = self.fingerprint = "wordllama"  # type: ignore[misc]

    @property
    def width(self) -> int:
        """D."""
        return int(self.table.shape[1])

    def _rows(self, text: str) -> list[int]:
        found = self.tokenizer.encode(text, add_special_tokens=False).ids
        return [row for row in found if row < len(self.table)]

    def count(self, text: str) -> int:
        """Return the number of a text's tokens."""
        return len(self._rows(text))

    def encode(self, texts: Sequence[str], prompt: str = "document", *, show_progress_bar: bool = False) -> Vectors:
        """Return (n, D) vectors of length 1."""
        rows = map(self._rows, texts)
        return unit(np.stack([self.table[some].sum(0) if some else np.zeros(self.width) for some in rows]))


def readers(cache: Path | None, wordllama: Path | None) -> dict[str, Embedder]:
    """Return what is compared, by name."""
    made = {NAME: Embedder.from_pretrained(NAME)}
    if wordllama is not None:
        made["wordllama"] = Embedder(TextReader(WordLlama(wordllama / "wordllama")), "wordllama")
    return {**made, "MiniLM": Embedder.from_pretrained(cache=cache)}


def measured(alike: Sequence[Task], embedder: Embedder) -> Iterator[Scores]:
    """Yield for each task of the same documents (q,) nDCG@10 by words, by vectors and by both."""
    with indexed(alike[0].places, embedder) as index:
        store = index._store
        for task in alike:
            level, ids = task.places.level, task.places.ids()
            every, numbers = store.select(level, None, {}), store.rows(level).numbers
            asked = embedder.encode_query(task.queries)
            scores: dict[str, list[float]] = {name: [] for name in SUMS}
            for query, wanted, vector in zip(task.queries, task.relevant, asked, strict=True):
                _, parts, _ = search.signals(store, level, every, terms(query), vector)
                values = [weight * value for weight, value in parts]
                sums = (sum(values[: len(values) // 2]), sum(values[len(values) // 2 :]), sum(values))
                right = {int(np.searchsorted(numbers, store.number(ids[n]) or 0)): gain for n, gain in wanted.items()}
                for name, one in zip(SUMS, sums, strict=True):
                    scores[name].append(float(gains(np.asarray(one)[None], [right])["ndcg"][0]))
            yield {name: np.array(one) for name, one in scores.items()}


def compare(some: Sequence[Task], models: dict[str, Embedder]) -> dict[str, Any]:
    """Return of each task the mean nDCG@10 of all systems, and how far docgraph-static lies from others."""
    found: dict[str, dict[str, Scores]] = {task.name: {} for task in some}
    for _, group in groupby(sorted(some, key=lambda task: task.without or ""), key=lambda task: task.without):
        alike = list(group)
        for model, embedder in models.items():
            for task, scores in zip(alike, measured(alike, embedder), strict=True):
                found[task.name][model] = scores
                print(f"   {task.name} {model}: {[f'{one.mean():.3f}' for one in scores.values()]}", flush=True)
    made: dict[str, Any] = {}
    for name, of in found.items():
        own = of[NAME]
        made[name] = {"queries": len(own["search"]), "words": float(own["words"].mean())}
        made[name] |= {model: {one: float(of[model][one].mean()) for one in ("alone", "search")} for model in of}
        made[name]["beside"] = {"words": compared(own["search"], own["words"])} | {
            f"{model} {one}": compared(own[one], of[model][one])
            for model in of
            if model != NAME
            for one in ("alone", "search")
        }
    return made


def pages_part(data: Path, every: int, names: Sequence[str], models: dict[str, Embedder]) -> dict[str, Any]:
    """Measure the tasks on OpenStax pages."""
    pages, queries = read_pages(data, "dev")
    pages = pages[::every]
    return {
        "pages": len(pages),
        "every": every,
        **compare([one for one in tasks(pages, queries) if one.name in names], models),
    }


def flat_part(data: Path, models: dict[str, Embedder]) -> dict[str, Any]:
    """Measure XQuAD and Cranfield: each document is one place, each set an index of its own."""
    sets = {f"XQuAD {language}": xquad(data, language) for language in ("en", "zh", "ru")}
    return compare(
        [
            Task(name, name, Places(documents, range(len(documents)), [0] * len(documents), "document"), asked, right)
            for name, (documents, asked, right) in {**sets, "Cranfield": cranfield(data)}.items()
        ],
        models,
    )


def speed_part(data: Path, models: dict[str, Embedder], texts: int = 64, rounds: int = 3) -> dict[str, Any]:
    """Take processor time on the same paragraphs, in turn; the fastest round of each counts. MiniLM reads a part."""
    torch.set_num_threads(1)
    every = dict.fromkeys(block["text"] for page in read_pages(data, "dev")[0] for block in page.blocks)
    some = [text for text in every if len(text) > 200][:: len(every) // (16 * texts)][: 8 * texts]
    encoder = models["MiniLM"].reader.encoder
    calls: dict[str, tuple[Callable[[], Any], int]] = {
        "sentence-transformers, MiniLM": (partial(encoder.model.encode, some[::8]), len(some[::8])),
        **{
            name: (partial(one.reader.encoder.encode, some), len(some))
            for name, one in models.items()
            if name != "MiniLM"
        },
    }
    seconds: dict[str, float] = {}
    for _ in range(rounds):
        for name, (call, count) in calls.items():
            start = time.process_time()
            call()
            seconds[name] = min(seconds.get(name, np.inf), (time.process_time() - start) / count)
    start = time.process_time()
    StaticEncoder.load()
    return {"texts": len(some), "seconds_a_text": seconds, "load_seconds": time.process_time() - start}


def report(found: dict[str, Any]) -> str:
    """Return the page."""
    text = ["# docgraph-static", "", (__doc__ or "").split("\n\n")[0], ""]
    for part, told in (
        (
            "pages",
            "Psychology, US history and astronomy, {pages} pages (one in {every}), none of which it was made of.",
        ),
        ("flat", "Question → passage; question → abstract, graded."),
    ):
        if part not in found:
            continue
        sets = {name: one for name, one in found[part].items() if isinstance(one, dict)}
        models = [name for name in next(iter(sets.values())) if name not in ("queries", "words", "beside")]
        text += [f"## {part.capitalize()}", "", told.format_map(found[part]), ""]
        heads = ["nDCG@10", "queries", "words", *(f"words + {name}" for name in models)]
        heads += [f"{name} alone" for name in models]
        rows = [
            [TITLES.get(name, name), f"{one['queries']:,}", f"{one['words']:.3f}"]
            + [f"{one[model][kind]:.3f}" for kind in ("search", "alone") for model in models]
            for name, one in sets.items()
        ]
        text += [table(heads, rows), "", f"{NAME} beside others, points; paired bootstrap, 95 %:", ""]
        others = list(next(iter(sets.values()))["beside"])
        beside = [
            [TITLES.get(name, name)] + [f"{v} ({span})" for v, span in (points(one["beside"][o], 1) for o in others)]
            for name, one in sets.items()
        ]
        kinds = {"words": "search, beside words alone"}
        kinds |= {o: f"{o.rpartition(' ')[2]}, beside {o.rpartition(' ')[0]}" for o in others if o != "words"}
        text += [table(["", *kinds.values()], beside), ""]
    if "speed" in found:
        speed = found["speed"]
        base = next(iter(speed["seconds_a_text"].values()))
        rows = [[name, f"{1 / one:,.0f}", f"{base / one:,.0f} x"] for name, one in speed["seconds_a_text"].items()]
        text += ["## Speed", "", f"Paragraphs of over 200 letters, {speed['texts']} of them, one core.", ""]
        text += [table(["", "texts a second", "beside MiniLM"], rows), ""]
        text += [f"The model is loaded in {1000 * speed['load_seconds']:.0f} ms.", ""]
    return "\n".join([*text, made_by(found["about"]), ""])


def main() -> None:
    """Measure the parts that are asked for; others stay as they were recorded."""
    parser = command_line(__doc__ or "")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--tasks", nargs="+", choices=TITLES, default=list(TITLES), help="of pages; others stay")
    parser.add_argument("--every", type=int, default=3, help="every n-th page only")
    parser.add_argument("--cache", type=Path, help="SQLite file that keeps MiniLM's vectors between calls")
    parser.add_argument("--wordllama", type=Path, help="folder of its unpacked wheel")
    chosen = parser.parse_args()
    models = readers(chosen.cache, chosen.wordllama)
    found = recorded("static", chosen.results)
    parts: dict[str, Callable[[], Any]] = {
        "pages": lambda: found.get("pages", {}) | pages_part(chosen.data, chosen.every, chosen.tasks, models),
        "flat": lambda: flat_part(chosen.data, models),
        "speed": lambda: speed_part(chosen.data, models),
    }
    for name in chosen.parts:
        found[name] = parts[name]()
        found["about"] = about("torch", "sentence-transformers", "docgraph")
        record("static", found, chosen.results)
    publish("static", report(found), chosen.results)


if __name__ == "__main__":
    main()
