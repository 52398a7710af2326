"""`docgraph search`: answers from an index, with their place in the page."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from docgraph.errors import DataError

EXAMPLES: Final = """\
  docgraph search pages.index "who gets help from the state?"
  docgraph search pages.index "bread" --kind section --top 3
  docgraph search pages.index '"a wide pot"' --where language=en --json
  docgraph search pages.index "bread" --html answers.html
"""


def run(
    index: Annotated[Path, typer.Argument(metavar="INDEX", help="What `docgraph index` made.")],
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="Words; in quotes a phrase.")],
    kind: Annotated[
        str | None, typer.Option(help="What to find: passage (if not given), section, document, image, table, list ...")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="Only documents with this id, site, language, date, url or title; * is anything."
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Answers at most.")] = 10,
    every: Annotated[
        bool, typer.Option("--all", help="Also answers that say word by word what a better one says.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
    html: Annotated[Path | None, typer.Option(help="Page of results to write.")] = None,
    words: Annotated[bool, typer.Option("--words", help="By words alone, without loading a model.")] = False,
) -> None:
    """Find passages, sections, documents or images that answer a question."""
    from docgraph.index import Index
    from docgraph.index.show import print_hits, to_html
    from training.jobs.embedders import embedder_of_index

    limits = [one.partition("=") for one in where or []]
    if wrong := [name for name, equals, _ in limits if not equals]:
        raise DataError(f"--where must be NAME=VALUE, but is {wrong[0]!r}.")
    if html is not None and as_json:
        raise DataError("--json and --html must not stand together, but both were given: leave one out.")
    if html is not None and html.is_dir():
        raise DataError(
            f"--html must be a file to write, but {html} is a folder. Name one in it: {html / 'answers.html'}"
        )
    with Index.open(index, None if words else embedder_of_index(index)) as opened:
        hits = opened.search(question, kind, top, {name: value for name, _, value in limits}, every=every)
    if html is not None:
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(to_html(question, hits), encoding="utf-8")
        print(f"{len(hits)} {'answer' if len(hits) == 1 else 'answers'} in {html}")
    elif as_json:
        for hit in hits:
            print(json.dumps(asdict(hit), ensure_ascii=False))
    else:
        from rich.console import Console

        print_hits(Console(highlight=False, soft_wrap=True), hits)
    raise typer.Exit
