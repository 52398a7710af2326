"""Which pages of a site link to which, and which links lead nowhere: links matched by address.

    home_of ─> the address of each page      edges_of ─> (2, E) pairs of pages      broken_links ─> warnings

A page is known by its path or URL and by the canonical URL that it declares.
"""

import posixpath
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

import numpy as np

from docgraph.document import Document
from docgraph.file_names import address_of, readable
from docgraph.parsers.files import PAGE_SUFFIXES
from docgraph.records import Ints, Warning

_NOWHERE: Final = "http://site.invalid"
"""Stands for the unknown host of pages in a folder while links are matched; it is in no result."""
_INDEX: Final = ("index.html", "index.htm", "index.xhtml", "default.html", "default.htm", "index.md")
_NAMED: Final = 3
_MOST_BROKEN: Final = 100
"""Targets that are named one by one."""


def home_of(document: Document, name: str) -> str:
    """Return the address of a page: its URL, or one that stands for its path within the site."""
    return document.metadata.url or (name if "://" in name else f"{_NOWHERE}/{address_of(name)}")


def known_as(home: str, address: str) -> str:
    """Return what all addresses of the page have in common that one of them leads to, seen from a page; "" for none."""
    return _known_as(_resolved(home, address))


def edges_of(documents: Sequence[Document], homes: Sequence[str]) -> Ints:
    """Return (2, E) pairs of page ordinals, one for each page that another links to, in order."""
    pages = _ordinals(documents, homes)
    edges: set[tuple[int, int]] = set()
    for ordinal, (document, home) in enumerate(zip(documents, homes, strict=True)):
        for link in document.links:
            known = known_as(home, link.href or "")
            if known and (target := pages.get(known, ordinal)) != ordinal:
                edges.add((ordinal, target))
    return np.asarray(sorted(edges), dtype=np.int32).reshape(-1, 2).T.copy()


def broken_links(
    documents: Sequence[Document], homes: Sequence[str], names: Sequence[str], url: str | None, files: Iterable[str]
) -> list[Warning]:
    """Return what to say of links to files that a folder or archive does not have; `row` is the page's ordinal.

    Args:
        names: of the pages, for the messages.
        url: where the folder stands on the web; what lies outside of it is not judged.
        files: paths of all files of the folder.
    """
    pages = _ordinals(documents, homes)
    there = {path for file in files for path in (file, *map(str, PurePosixPath(file).parents))}
    top = _split(_resolved(url or _NOWHERE + "/", "./"))
    broken: dict[str, list[int]] = {}
    for ordinal, (document, home) in enumerate(zip(documents, homes, strict=True)):
        for address in {_resolved(home, link.href or ""): None for link in document.links}:
            parts = _split(address)
            if parts is None or top is None or parts[:2] != top[:2] or not parts.path.startswith(top.path):
                continue
            path = unquote(parts.path.removeprefix(top.path), errors="surrogateescape")
            if _known_as(address) not in pages and posixpath.normpath(path or ".") not in there:
                broken.setdefault(path, []).append(ordinal)
    warnings = []
    for path, linking in list(broken.items())[:_MOST_BROKEN]:
        shown = ", ".join([names[page] for page in linking[:_NAMED]] + ["..."] * (len(linking) > _NAMED))
        message = f"{readable(path)} is not there, but pages link to it: {shown} ({len(linking)} in all)."
        warnings.append(Warning("site.broken_link", message, linking[0]))
    if (more := len(broken) - _MOST_BROKEN) > 0:
        warnings.append(Warning("site.broken_link", f"{more} more files that pages link to are not there."))
    return warnings


def _ordinals(documents: Sequence[Document], homes: Sequence[str]) -> dict[str, int]:
    """Return what each page is known as, with its ordinal."""
    pages: dict[str, int] = {}
    for ordinal, (document, home) in enumerate(zip(documents, homes, strict=True)):
        for address in (home, document.metadata.canonical_url):
            if address and (known := known_as(home, address)):
                pages.setdefault(known, ordinal)
    return pages


def _resolved(home: str, address: str) -> str:
    try:
        return urljoin(home, address)
    except ValueError:
        return ""


def _split(address: str) -> SplitResult | None:
    try:
        return urlsplit(address)
    except ValueError:
        return None


def _known_as(address: str) -> str:
    """Return what addresses of one page have in common: no scheme, fragment, `www.`, index name or suffix of a page."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if not host:
        return ""
    path = unquote(parts.path, errors="surrogateescape")
    folder, _, last = path.rpartition("/")
    if last.lower() in _INDEX:
        path = folder
    elif last.lower().endswith(PAGE_SUFFIXES):
        path = path.rpartition(".")[0]
    port_text = "" if port in (None, 80, 443) else f":{port}"
    return f"{host.removeprefix('www.')}{port_text}{path.rstrip('/')}?{parts.query}"
