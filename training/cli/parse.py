"""`docgraph parse`: the tree of a page, text, article or site, or those of a whole folder, without torch."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from docgraph.errors import DocgraphError
from docgraph.file_names import told
from training.cli.options import Quiet

if TYPE_CHECKING:
    from docgraph import Document

EXAMPLES: Final = """\
  docgraph parse page.html
  docgraph parse page.html --format markdown --main-only
  docgraph parse site/ --format json --output site.json
  docgraph parse pages/ --output pages.jsonl --workers 4
"""


class Format(StrEnum):
    """What `parse` prints."""

    outline = "outline"
    json = "json"
    markdown = "markdown"
    networkx = "networkx"


def run(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PAGE|FOLDER...", help="A page, text, article, or site; - reads HTML from stdin."),
    ],
    format: Annotated[Format, typer.Option(help="What to print.")] = Format.outline,
    output: Annotated[
        Path | None,
        typer.Option(help="File to write instead of stdout; .jsonl or .parquet: a document a line or row."),
    ] = None,
    main_only: Annotated[bool, typer.Option("--main-only", help="Keep a page's main content only.")] = False,
    max_nodes: Annotated[int | None, typer.Option(help="Nodes that an outline shows.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes for .jsonl and .parquet; all cores if not given.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Print the tree of a page, text, article or site. A folder is a site.

    With --output FILE.jsonl or FILE.parquet every file is a document of its own, parsed on all cores; the same command
    goes on where it was cut off, and what cannot be read is named in errors.jsonl beside the file.
    """
    from training.inputs import ERRORS, Errors

    if output is not None and output.suffix.lower() in (".jsonl", ".parquet"):
        _parse_many(paths, output, main_only, workers, quiet)
    errors = Errors((output.parent if output else Path()) / ERRORS)
    written = []
    for path in paths:
        try:
            document = _read(path, main_only)
        except DocgraphError as error:
            errors.add(str(path), error)
            continue
        for warning in document.warnings:
            if warning.code == "site.page":
                errors.add(str(path), DocgraphError(warning.message))
            elif warning.code.startswith("site."):
                print(f"{path}: {warning.message}", file=sys.stderr)
        written.append(_written(document, format, main_only, max_nodes).removesuffix("\n") + "\n")
    errors.write()
    if output is None:
        sys.stdout.write("".join(written))
    elif written:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text("".join(written), encoding="utf-8")
    raise typer.Exit(errors.exit_code(len(written)))


def _parse_many(paths: list[Path], output: Path, main_only: bool, workers: int | None, quiet: bool) -> NoReturn:
    from docgraph import parse_many

    counts = parse_many(paths, output, main_only=main_only, workers=workers, progress=not quiet)
    print(
        f"{counts.output}: {counts.written} documents written ({counts.truncated} cut at a bound), "
        f"{counts.skipped} there already, {counts.failed} failed, {counts.seconds:.1f} s"
    )
    if counts.left_out:
        print(f"left out: {told(counts.left_out)}", file=sys.stderr)
    if counts.failed:
        print(f"what failed is in {counts.errors}", file=sys.stderr)
        raise typer.Exit(1 if counts.written + counts.skipped else 2)
    raise typer.Exit


def _read(path: Path, main_only: bool) -> "Document":
    from docgraph import load_document, parse_html

    if str(path) == "-":
        return parse_html(sys.stdin.buffer.read(), main_only=main_only)
    return load_document(path, main_only=main_only)


def _written(document: "Document", format: Format, main_only: bool, max_nodes: int | None) -> str:
    if format is Format.json:
        return document.to_json()
    if format is Format.markdown:
        return document.to_markdown(main_only=main_only)
    if format is Format.networkx:
        import networkx

        return json.dumps(networkx.node_link_data(document.to_networkx(), edges="edges"), ensure_ascii=False)
    return document.outline(max_nodes=max_nodes)
