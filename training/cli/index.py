"""`docgraph index`: documents in an index that `docgraph search` answers from."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from training.cli.options import Image, Paths, Quiet, Text, column_options, progress_console

if TYPE_CHECKING:
    from docgraph import Document

EXAMPLES: Final = """\
  docgraph index pages/ --output pages.index
  docgraph index pages/ --output pages.index --prune
  docgraph index pages/ --output pages.index --model models/my-encoder
  docgraph index pages/ --output pages.index --words
  docgraph index pages/ --output pages.index --store lancedb
"""


def run(
    paths: Paths,
    output: Annotated[
        Path, typer.Option(help="The index, one file; documents that have not changed are left as they are.")
    ],
    model: Annotated[
        str | None, typer.Option(help="Folder or name of a text encoder; MiniLM if it is installed, else words alone.")
    ] = None,
    words: Annotated[bool, typer.Option("--words", help="By words alone, without a model.")] = False,
    store: Annotated[
        Literal["sqlite", "lancedb"] | None,
        typer.Option(help="Where a new index has its vectors: sqlite, the file; lancedb, for a million passages."),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Take out documents that are not among PATHS any more.")
    ] = False,
    text: Text = None,
    image: Image = None,
    quiet: Quiet = False,
) -> None:
    """Make an index of documents, or bring one up to date; the same command goes on where it was cut off."""
    from rich.progress import track

    from docgraph import __version__
    from docgraph.errors import DocgraphError
    from docgraph.file_names import told
    from docgraph.index import Index
    from training.embedders import choose_embedder
    from training.inputs import ERRORS, Errors, find_inputs

    errors = Errors(output.parent / ERRORS)
    inputs = find_inputs(paths, **column_options(text, image, None))
    embedder = None if words else choose_embedder(model, output)
    with Index.open(output, embedder, create=True, store=store) as index:
        there, same = index.digests(), 0

        def documents() -> Iterator[tuple[str, "Document", str]]:
            nonlocal same
            for one in track(inputs, "indexing", console=progress_console(quiet), disable=quiet):
                try:
                    digest = f"{__version__} {_digest(one.path)}" if one.path is not None and one.path.is_file() else ""
                    if digest and there.get(one.id) == digest:
                        same += 1
                        continue
                    yield (one.id, one.document(), digest)
                except OSError as error:
                    errors.add(one.id, DocgraphError(str(error)))
                except DocgraphError as error:
                    errors.add(one.id, error)

        added = index.add(documents())
        for one, problem in added.problems.items():
            errors.add(one, DocgraphError(problem))
        others = there.keys() - {one.id for one in inputs}
        gone = index.remove(others) if prune else 0
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


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
