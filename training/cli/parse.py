"""`docgraph parse`: the tree of a page, text, article or site, or those of a whole folder, without torch."""

import csv
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from docgraph.errors import DataError, DocgraphError
from docgraph.file_names import told
from training.cli.options import Address, Engine, EngineName, Quiet, engine_of, keep_inputs
from training.cli.pages import is_address, page_reader

if TYPE_CHECKING:
    from docgraph import Document
    from docgraph.bulk.shards import Engine as Runner

EXAMPLES: Final = """\
  docgraph parse page.html
  docgraph parse page.html --format markdown --main-only
  docgraph parse site/ --format json --output site.json
  docgraph parse pages/ --output pages.jsonl --workers 4
  docgraph parse crawl.warc.gz --output pages --engine ray --address auto
  docgraph parse saved.html --url https://example.org/news/1
  docgraph parse page.html --render --format json --output page.json
"""


class Format(StrEnum):
    """What `parse` prints."""

    outline = "outline"
    json = "json"
    markdown = "markdown"
    networkx = "networkx"


def run(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PAGE|FOLDER|URL...",
            help="A page, text, article, or site; - reads HTML from stdin; an address needs --fetch.",
        ),
    ],
    format: Annotated[Format, typer.Option(help="What to print.")] = Format.outline,
    output: Annotated[
        Path | None, typer.Option(help="File to write instead of stdout; .jsonl or .parquet: a document a line or row.")
    ] = None,
    main_only: Annotated[bool, typer.Option("--main-only", help="Keep a page's main content only.")] = False,
    url: Annotated[
        str | None, typer.Option(help="Address that the page (or the folder's site) is from; links are resolved by it.")
    ] = None,
    urls: Annotated[
        Path | None,
        typer.Option(help="CSV of the pages' addresses for .jsonl and .parquet, with the columns path and url."),
    ] = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Fetch addresses of the public web.")] = False,
    render: Annotated[
        bool, typer.Option("--render", help="Show the pages in Chromium: boxes, what is seen, a screenshot.")
    ] = False,
    javascript: Annotated[bool, typer.Option("--javascript", help="With --render: run the pages' scripts.")] = False,
    max_nodes: Annotated[int | None, typer.Option(help="Nodes that an outline shows.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes for .jsonl and .parquet; all cores if not given.")
    ] = None,
    engine: Engine = EngineName.local,
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """Print the tree of a page, text, article or site. A folder is a site.

    With --output FILE.jsonl or FILE.parquet every file is a document of its own, parsed on all cores; the same command
    goes on where it was cut off, and what cannot be read is named in errors.jsonl beside the file.
    """
    from docgraph.bulk.archives import SUFFIXES as ARCHIVES
    from docgraph.parsers.files import document_suffix
    from training.inputs import ERRORS, SetAside

    if url is not None and len(paths) > 1:
        raise DataError(f"--url must stand beside one page, but there are {len(paths)}; --urls FILE gives one to each.")
    on_ray = None
    if engine is EngineName.ray:
        if output is None or any(map(is_address, paths)):
            raise DataError("--engine ray must stand beside files or folders and --output FILE.parquet or FOLDER.")
        on_ray = engine_of(engine, address, workers)
    elif address is not None:
        raise DataError("--address must stand beside --engine ray.")
    keep_inputs(output, paths)
    many = output is not None and (on_ray is not None or output.suffix.lower() in (".jsonl", ".parquet"))
    if output is not None and many and not any(map(is_address, paths)):
        if render:
            raise DataError("--render must stand beside pages that are printed, not --output FILE.jsonl or .parquet.")
        if url is not None and (Path(paths[0]).is_dir() or document_suffix(Path(paths[0])) in ARCHIVES):
            raise DataError(
                f"--url must stand beside one page where every file is a document of its own, but {paths[0]} holds "
                "several; --urls FILE gives an address to each."
            )
        addresses = _addresses_of(urls) if urls else {Path(paths[0]).name: url} if url else {}
        _parse_many(paths, output, main_only, workers, quiet, addresses, on_ray)
    if urls is not None:
        raise DataError("--urls must stand beside --output FILE.jsonl or FILE.parquet; --url is for one page.")
    if javascript and not render:
        raise DataError("--javascript must stand beside --render: nothing else runs scripts.")
    errors = SetAside((output.parent if output else Path()) / ERRORS)
    written, told_once = [], set[str]()
    with page_reader(main_only, url, fetch, render, javascript) as read:
        for path in paths:
            try:
                document = read(path)
            except DocgraphError as error:
                errors.add(path, error)
                continue
            for warning in document.warnings:
                if warning.code == "site.page":
                    errors.add(path, DocgraphError(warning.message))
                elif warning.code.startswith("site."):
                    print(f"{path}: {warning.message}", file=sys.stderr)
                elif warning.code == "render.sandbox" and warning.code not in told_once:
                    told_once.add(warning.code)
                    print(f"warning: {warning.message}", file=sys.stderr)
            written.append(_written(document, format, main_only, max_nodes).removesuffix("\n") + "\n")
    errors.write()
    if output is None:
        sys.stdout.write("".join(written))
    elif written:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text("".join(written), encoding="utf-8")
    raise typer.Exit(errors.exit_code(len(written)))


def _addresses_of(file: Path) -> dict[str, str]:
    """Return the address of each path that a CSV file lists."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines)
            if not {"path", "url"} <= set(rows.fieldnames or ()):
                raise DataError(
                    f"{file} must have the columns path and url, but has {', '.join(rows.fieldnames or ())}."
                )
            return {row["path"]: row["url"] for row in rows if row["path"] and row["url"]}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} must be a CSV file that can be read, but {error}.") from error


def _parse_many(
    paths: list[str],
    output: Path,
    main_only: bool,
    workers: int | None,
    quiet: bool,
    urls: dict[str, str],
    engine: "Runner | None",
) -> NoReturn:
    from docgraph import parse_many

    counts = parse_many(
        paths, output, main_only=main_only, workers=workers, progress=not quiet, urls=urls, engine=engine
    )
    print(
        f"{counts.output}: {counts.written} documents written ({counts.truncated} cut at a bound), "
        f"{counts.skipped} there already, {counts.failed} failed, {counts.seconds:.1f} s"
    )
    if counts.left_out:
        print(f"left out: {told(counts.left_out)}; all are named in {counts.errors}", file=sys.stderr)
    if counts.failed:
        print(f"what failed is in {counts.errors}", file=sys.stderr)
        raise typer.Exit(1 if counts.written + counts.skipped else 2)
    raise typer.Exit


def _written(document: "Document", format: Format, main_only: bool, max_nodes: int | None) -> str:
    if format is Format.json:
        return document.to_json()
    if format is Format.markdown:
        return document.to_markdown(main_only=main_only)
    if format is Format.networkx:
        import networkx

        return json.dumps(networkx.node_link_data(document.to_networkx(), edges="edges"), ensure_ascii=False)
    return document.outline(max_nodes=max_nodes)
