"""`docgraph index`: documents in an index that `docgraph search` answers from."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from docgraph.errors import DocgraphError
from docgraph.file_names import told
from training.cli.options import (
    Address,
    Engine,
    EngineName,
    Image,
    Paths,
    Quiet,
    Text,
    Workers,
    column_options,
    engine_of,
    progress_console,
)

if TYPE_CHECKING:
    from docgraph import Document

EXAMPLES: Final = """\
  docgraph index pages/ --output pages.index
  docgraph index pages/ --output pages.index --prune --compact
  docgraph index pages/ --output pages.index --model models/my-encoder
  docgraph index pages/ --output pages.index --model docgraph-static
  docgraph index pages/ --output pages.index --words
  docgraph index pages/ --output pages.index --store lancedb
  docgraph index pages/ --output pages.index --engine ray --address auto
"""


def run(
    paths: Paths,
    output: Annotated[
        Path, typer.Option(help="The index, one file; documents that have not changed are left as they are.")
    ],
    model: Annotated[
        str | None, typer.Option(help="Folder or name of a text encoder; MiniLM if installed, else docgraph-static.")
    ] = None,
    words: Annotated[bool, typer.Option("--words", help="By words alone, without a model.")] = False,
    store: Annotated[
        Literal["sqlite", "lancedb"] | None,
        typer.Option(help="Where a new index has its vectors: sqlite, the file; lancedb, for a million passages."),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Take out documents that are not among PATHS any more.")
    ] = False,
    compact: Annotated[
        bool, typer.Option("--compact", help="At last give back the room of what was changed or taken out.")
    ] = False,
    text: Text = None,
    image: Image = None,
    engine: Engine = EngineName.local,
    address: Address = None,
    workers: Workers = None,
    quiet: Quiet = False,
) -> None:
    """Make an index of documents, or bring one up to date; the same command goes on where it was cut off."""
    from rich.progress import Progress

    from docgraph.index import Index
    from training.inputs import ERRORS, SetAside, find_inputs
    from training.jobs.embedders import choose_embedder, open_embedder
    from training.jobs.indexing import add_sharded, changed_of

    runner = engine_of(engine, address, workers)
    errors = SetAside(output.parent / ERRORS)
    inputs = find_inputs(paths, **column_options(text, image, None))
    embedder = None if words else choose_embedder(model, output)
    with (
        Index.open(output, embedder, create=True, store=store) as index,
        Progress(console=progress_console(quiet), disable=quiet) as bar,
    ):
        there, same = index.digests(), 0
        progress = partial(bar.advance, bar.add_task("indexing", total=len(inputs)))

        def documents() -> Iterator[tuple[str, "Document", str]]:
            nonlocal same
            for one in inputs:
                try:
                    if (document := changed_of(one, there.get(one.id))) is None:
                        same += 1
                    else:
                        yield document
                except DocgraphError as error:
                    errors.add(one.id, error)
                progress(1)

        if engine is EngineName.local:
            added = index.add(documents())
        else:
            load = None if embedder is None else partial(open_embedder, index.embedder_name or None)
            added = add_sharded(index, inputs, output, engine=runner, load=load, errors=errors, progress=progress)
        for one, problem in added.problems.items():
            errors.add(one, DocgraphError(problem))
        others = there.keys() - {one.id for one in inputs}
        gone = index.remove(others) if prune else 0
        if compact:
            index.compact()
        counts, name, total = index.counts(), index.embedder_name, len(index)
    errors.write()
    if others and not prune:
        print(f"in the index, but not among PATHS: {told(others)}; --prune takes them out", file=sys.stderr)
    empty = f" ({total - counts['document']} without words)" if total > counts["document"] else ""
    print(
        f"{output}: {added.written} documents written, {added.unchanged + same} unchanged, {gone} taken out, "
        f"{len(errors.found)} set aside; now {total} documents{empty}, {counts['section']} sections, "
        f"{counts['passage']} passages, {counts['image']} images, "
        + ("by words alone" if name is None else f"with vectors of {name or 'MiniLM'}")
    )
    raise typer.Exit(errors.exit_code(total))
