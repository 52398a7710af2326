"""The main job on the sample documents, start to finish, told on the terminal.

    1 parse 16 blog posts        tree.txt, site.json
    2 train on 42 news records   run/
    3 evaluate on 23 others      report.html, confusion.png
    4 predict 6 unseen pages     predictions.jsonl
    5 embed all of it            vectors.parquet
    6 answer questions           pages.index

The class of a page and the scores are what the trained model says, the answers what `docgraph search` finds; none is
picked. A few minutes on two cores, without a network.
"""

import shutil
import time
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from docgraph import Document, load_document, parse_site
from docgraph.errors import DataError
from docgraph.index import Index
from docgraph.index.show import print_hits
from encoders.embedder.embedder import Embedder
from encoders.embedder.runs import RunReader
from training.config import TrainingConfig
from training.evaluate import evaluate, predict_inputs
from training.evaluation.card import note
from training.evaluation.report import print_evaluation, write_report
from training.evaluation.report_figures import confusion_png
from training.fit import Run, fit
from training.inputs import ERRORS, SetAside, find_inputs
from training.jobs.embed import embed
from training.jobs.embedders import choose_embedder
from training.recipes import recipe
from training.run_folder import RunFolder

SHOWN_PAGE: Final = "2016-08-29-data-act-prototype-simplicty-is-key.html"
QUESTIONS: Final = (
    "who gets help from the state?",
    "why is simple software cheaper to look after?",
    "why are some places holy to people?",
)
CHANGES: Final[dict[str, Any]] = {"epochs": 12, "batch_documents": 8, "metric": "loss"}
"""Of the recipe: more epochs and smaller batches for 42 records; 12 dev records rank weights by loss, as
their accuracy takes 13 values."""


def demo(
    output: Path,
    data: Path | None = None,
    seed: int = 0,
    recipe_name: str = "news-scratch",
    console: Console | None = None,
) -> list[Path]:
    """Run it; return what it wrote.

    Args:
        data: the sample documents; None for those of the repository.
        recipe_name: for training; "news-minilm" reads words with pre-trained weights and takes some minutes longer.

    Raises:
        DataError: the sample documents are not there.
    """
    console = console or Console(highlight=False, soft_wrap=True)
    start = time.monotonic()
    samples = find_samples(data)
    output.mkdir(parents=True, exist_ok=True)
    written = _parse(console, samples, output)
    run = _train(console, samples, output, recipe_name, seed)
    written += [run.folder, *_evaluate(console, run, output), *_predict(console, run, samples, output)]
    vectors = _embed(console, run, samples, output)
    written += [vectors, _answer(console, samples, output)]
    console.rule("everything it wrote")
    for path in written:
        console.print(f"  {path}")
    console.print(f"done in {time.monotonic() - start:.0f} s")
    return written


def find_samples(data: Path | None = None) -> Path:
    """Return the sample documents: where they are said to be, in the current folder, or beside the packages.

    Raises:
        DataError: they are in neither place.
    """
    places = [data] if data else [Path("sample_data"), Path(__file__).resolve().parents[2] / "sample_data"]
    for place in places:
        if (place / "news" / "news").is_dir():
            return place
    raise DataError(
        f"the demo needs the sample_data of the repository, but it is not at {' or '.join(map(str, places))}. "
        "Name it with --data."
    )


def _parse(console: Console, samples: Path, output: Path) -> list[Path]:
    console.rule("1  parse")
    posts = sorted((samples / "html").glob("*.html"))
    shown_posts = track(posts, "parsing", console=console, transient=True)
    documents: list[tuple[str, Document]] = [(post.name, load_document(post)) for post in shown_posts]
    site = parse_site(documents)
    images = [node for _, document in documents for node in document.images()]
    opened = sum(node.image.status() == "ok" for node in images)
    console.print(
        f"{len(documents)} pages: {len(site):,} nodes, {len(site.text):,} characters, {len(images)} images "
        f"({opened} open), {len(site.links)} links; {site.edges[0].shape[1]} of them lead from page to page"
    )
    shown = next((document for name, document in documents if name == SHOWN_PAGE), documents[0][1])
    tree, whole = output / "tree.txt", output / "site.json"
    tree.write_text(shown.outline() + "\n", encoding="utf-8")
    whole.write_text(site.to_json(), encoding="utf-8")
    console.print(f"\nThe start of one tree (the whole is in {tree}):\n")
    console.print(shown.outline(max_nodes=24, width=min(console.width, 110)), markup=False)
    return [tree, whole]


def _train(console: Console, samples: Path, output: Path, name: str, seed: int) -> Run:
    console.rule("2  train")
    shutil.rmtree(output / "run", ignore_errors=True)
    config: TrainingConfig = recipe(name).with_values(
        {**CHANGES, "data": str(samples / "news"), "output": str(output / "run"), "seed": seed}
    )
    console.print(f"A classifier of news records (headline, abstract, caption, body, image), recipe {name}:")
    run = fit(config, console)
    sizes = run.scores["records"]
    weights = sum(parameter.numel() for parameter in run.model.parameters())
    console.print(
        f"{sizes['train']} training records, {sizes['dev']} dev, {len(run.corpus.labels)} classes "
        f"({', '.join(run.corpus.labels)}); {weights / 1e6:.1f} M weights; {run.scores['seconds']:.0f} s"
    )
    return run


def _evaluate(console: Console, run: Run, output: Path) -> list[Path]:
    console.rule("3  evaluate")
    found = evaluate(run.model, run.corpus, "test", name=str(run.folder), history=run.scores["history"])
    note(RunFolder(run.folder), found.data, found.split, found.scores, *found.baselines)
    for scores in (found.scores, *found.baselines):
        console.print(scores.line())
    for line in found.said:
        console.print(line, highlight=False)
    console.print()
    print_evaluation(found, console, only=("Classes",))
    return [write_report(output / "report.html", found), confusion_png(output / "confusion.png", found.scores)]


def _predict(console: Console, run: Run, samples: Path, output: Path) -> list[Path]:
    console.rule("4  predict pages it has not seen")
    pages = find_inputs([samples / "pages"])
    truth = dict(
        line.split(",", 1) for line in (samples / "pages" / "labels.csv").read_text(encoding="utf-8").splitlines()[1:]
    )
    errors = SetAside(output / ERRORS)
    found = list(predict_inputs(run.model, pages, errors))
    table = Table("page", "it is", *run.corpus.labels, box=None)
    table.columns[0].no_wrap = True
    for one in found:
        title = load_document(Path(one.id)).metadata.title or one.id
        values = [one.probabilities[label] for label in run.corpus.labels]
        cells = [f"[bold]{v:.3f}[/]" if v == max(values) else f"{v:.3f}" for v in values]
        table.add_row(escape(title), truth.get(Path(one.id).name, "?"), *cells)
    console.print(table)
    target = output / "predictions.jsonl"
    target.write_text("".join(one.to_json() + "\n" for one in found), encoding="utf-8")
    return [target] + ([errors.file] if errors.write() else [])


def _embed(console: Console, run: Run, samples: Path, output: Path) -> Path:
    console.rule("5  embed")
    target = output / "vectors.parquet"
    shutil.rmtree(output / "vectors.parquet.parts", ignore_errors=True)
    target.unlink(missing_ok=True)
    inputs = find_inputs([samples / "html", samples / "pages", samples / "news"])
    levels = ("document", "section")
    rows, _ = embed(Embedder(RunReader(run.model)), inputs, target, levels=levels, console=console)
    console.print(f"{rows} vectors of {len(inputs)} documents and their sections in {target}")
    return target


def _answer(console: Console, samples: Path, output: Path) -> Path:
    """Index the pages, and answer questions from them: with MiniLM where it is installed, else with docgraph-static."""
    console.rule("6  answer questions")
    target = output / "pages.index"
    target.unlink(missing_ok=True)
    inputs = find_inputs([samples / "html", samples / "pages"])
    with Index.open(target, choose_embedder(None, target), create=True) as index:
        index.add((one.id, one.document()) for one in inputs)
        console.print(f"{len(index)} pages in {target}, with {index.embedder_name or 'MiniLM'}")
        for question in QUESTIONS:
            console.print(f"\n[bold]{escape(question)}[/]")
            print_hits(console, index.search(question, top=1))
    return target
