"""`docgraph view`: one page that shows a document beside its tree, for looking at in a browser."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from docgraph.errors import DataError, ModelError
from training.cli.pages import page_reader

EXAMPLES: Final = """\
  docgraph view page.html
  docgraph view page.html --render --output look.html
  docgraph view page.html --query "who gets help from the state?"
  docgraph view page.html --model runs/news
"""


def run(
    page: Annotated[
        str, typer.Argument(metavar="PAGE|FOLDER|URL", help="As of `docgraph parse`: a page, text, article or site.")
    ],
    output: Annotated[Path, typer.Option(help="File to write: one page, without network.")] = Path("view.html"),
    query: Annotated[str | None, typer.Option(help="Question: the passages that answer it are shown in place.")] = None,
    words: Annotated[
        bool, typer.Option("--words", help="With --query: by words alone, without loading a model.")
    ] = False,
    model: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A trained model: what it says, and which nodes speak for it.")
    ] = None,
    passes: Annotated[int, typer.Option(min=2, help="With --model: how often it may read the document.")] = 256,
    url: Annotated[str | None, typer.Option(help="Address that the page is from; links are resolved by it.")] = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Fetch addresses of the public web.")] = False,
    render: Annotated[
        bool, typer.Option("--render", help="Show the page in Chromium: its screenshot, boxes, what is seen.")
    ] = False,
    javascript: Annotated[bool, typer.Option("--javascript", help="With --render: run the page's scripts.")] = False,
) -> None:
    """Write a page that shows a document beside its tree, with all that is known of every node."""
    if output.is_dir() or (os.path.exists(output) and os.path.exists(page) and os.path.samefile(output, page)):
        raise DataError(
            f"--output must be a file other than the page that is read, but is {output}. Give it another name."
        )
    if javascript and not render:
        raise DataError("--javascript must stand beside --render: nothing else runs scripts.")
    with page_reader(False, url, fetch, render, javascript) as read:
        document = read(page)
    found: dict[str, Any] = {}
    if query is not None:
        from docgraph.index import answers
        from training.jobs.embedders import choose_embedder

        embedder = None if words else choose_embedder(None, None)
        found = {"query": query, "passages": answers(document, query, embedder=embedder)}
    if model is not None:
        import numpy as np

        from training.run_folder import RunFolder

        classifier = RunFolder(model).model()
        if classifier.config.node_kinds:
            raise DataError(
                f"--model must be of documents, but {model} labels their parts: `docgraph predict` lists them."
            )
        shots = [node.row for node in document.images() if node.attributes.get("screenshot")]
        plain = document.without(shots)  # the last row, which no model was trained to read
        evidence = classifier.explain(plain, passes=passes)
        found["evidence"] = replace(evidence, values=np.insert(evidence.values, shots, np.nan, axis=0))
        try:
            found["attention"] = classifier.attention_of(plain)
        except ModelError as error:
            print(f"Without attention: {error}")
    view = document.view(**found)
    print(f"{view.save(output)}: {len(document):,} nodes, {len(view.html.encode()) / 1e6:.1f} MB")
