"""Pages that verbs are given one at a time: files, folders, addresses and stdin, read as they are or as they are shown.

with page_reader(...) as read:  read("page.html") ─> Document      one browser for all pages that are rendered
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docgraph.errors import DataError

if TYPE_CHECKING:
    from docgraph import Document


def is_address(path: str) -> bool:
    """Whether a path is an address of the web."""
    return path.lower().startswith(("http://", "https://"))


@contextmanager
def page_reader(
    main_only: bool, url: str | None, fetch: bool, render: bool, javascript: bool
) -> "Iterator[Callable[[str], Document]]":
    """Give what reads a path as it was asked for; all pages that are rendered share one browser."""
    from docgraph import load_document, parse_html

    def read(path: str) -> "Document":
        address = path if is_address(path) else None
        source = _bytes_of(path, fetch)
        if source is not None:
            return parse_html(source, main_only=main_only, url=url or address)
        options: dict[str, Any] = {} if url is None else {"url": url}  # which not every type of file takes
        return _of_its_folder(load_document(path, main_only=main_only, **options), Path(path))

    if not render:
        yield read
        return
    from docgraph import Renderer, SafeFetcher

    with Renderer() as renderer:

        def show(path: str) -> "Document":
            source = _bytes_of(path, fetch)
            if source is None and Path(path).is_dir():
                raise DataError(f"--render must stand beside pages, but {path} is a folder.")
            return renderer.render(
                Path(path) if source is None else source,
                javascript=javascript,
                url=url or (path if is_address(path) else None),
                fetch=SafeFetcher() if fetch else None,
                main_only=main_only,
            )

        yield show


def _of_its_folder(document: "Document", path: Path) -> "Document":
    """Return a document without the images that a saved one (.json) names outside of its own folder.

    Whoever sent the file may have written any folder of this machine into it.
    """
    from docgraph.parsers.files import document_suffix

    access = document.image_access
    if document_suffix(path) != ".json" or access.root is None:
        return document
    try:
        if Path(access.root).resolve().is_relative_to(path.parent.resolve()):
            return document
    except (OSError, ValueError):  # no path at all
        pass
    print(
        f"warning: {path} names images in {access.root!r}, which is outside of its own folder: they are not opened.",
        file=sys.stderr,
    )
    return document.replace(image_access=replace(access, root=None))


def _bytes_of(path: str, fetch: bool) -> bytes | None:
    """Return the page at an address or on stdin; None for what lies in a file or folder."""
    if path == "-":
        return sys.stdin.buffer.read()
    if not is_address(path):
        return None
    if not fetch:
        raise DataError(f"{path} must be a file or folder unless --fetch is given, which asks the web for it.")
    from docgraph.fetch import SafeFetcher

    return SafeFetcher()(path)
