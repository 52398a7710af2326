"""`docgraph nodes`: the parts of pages as a table, to be labelled by hand and learned from."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from docgraph.errors import DataError, DocgraphError
from training.cli.options import Paths, keep_inputs

EXAMPLES: Final = """\
  docgraph nodes pages/ --output nodes.csv
  docgraph nodes pages/ --kind section --kind paragraph --output nodes.csv
"""


def run(
    paths: Paths,
    output: Annotated[Path | None, typer.Option(help="CSV file to write instead of stdout.")] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            help="Kind of node, such as section, paragraph, item, image; may be repeated. All text blocks if not given."
        ),
    ] = None,
) -> None:
    """List the parts of pages, a row each: page, row, DOM path, kind, headings above, text, and an empty label.

    Fill in labels, as many as you like, and `docgraph train --data nodes.csv` learns from the rows that have one.
    """
    from training.datasets.nodes import has_labels, node_rows, page_name, write_nodes
    from training.datasets.page_nodes import page_nodes
    from training.inputs import ERRORS, SetAside, find_inputs

    keep_inputs(output, paths)
    if output is not None and has_labels(output):
        raise DataError(f"--output must hold no labels yet, but {output} does: name another file, or move it away.")
    folder = output.parent if output else Path()
    errors, pages = SetAside(folder / ERRORS), 0
    rows: list[dict[str, Any]] = []
    for one in find_inputs(paths):
        try:
            found = page_nodes(one.document(), one.path, kind)
        except DocgraphError as error:
            errors.add(one.id, error)
            continue
        rows += node_rows(page_name(one.id, folder), found)
        pages += 1
    write_nodes(output, rows)
    if output is not None:
        print(f"{len(rows)} nodes of {pages} pages in {output}: fill in the column label")
    errors.write()
    raise typer.Exit(errors.exit_code(pages))
