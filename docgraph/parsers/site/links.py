"""Which pages of a site link to which: links matched by address.

A page is known by its path or URL and by the canonical URL that it declares.
"""

from typing import Final
from urllib.parse import unquote, urljoin, urlsplit

import numpy as np

from docgraph.document import Document
from docgraph.parsers.site.archives import site_path
from docgraph.records import Ints

_NOWHERE: Final = "http://site.invalid"
"""Stands for the unknown host of pages in a folder while links are matched; it is in no result."""
_INDEX: Final = ("index.html", "index.htm", "index.xhtml", "default.html", "default.htm")


def edges_of(documents: list[Document], names: list[str]) -> Ints:
    """Return (2, E) pairs of page ordinals, one for each page that another links to, in order."""
    homes = [_home(document, name) for document, name in zip(documents, names, strict=True)]
    pages: dict[str, int] = {}
    for ordinal, (document, home) in enumerate(zip(documents, homes, strict=True)):
        for address in (home, document.metadata.canonical_url):
            if address and (known := _resolved(home, address)):
                pages.setdefault(known, ordinal)
    edges: set[tuple[int, int]] = set()
    for ordinal, (document, home) in enumerate(zip(documents, homes, strict=True)):
        for link in document.links:
            target = pages.get(_resolved(home, link.href or ""))
            if target is not None and target != ordinal:
                edges.add((ordinal, target))
    return np.asarray(sorted(edges), dtype=np.int32).reshape(-1, 2).T.copy()


def _home(document: Document, name: str) -> str:
    return document.metadata.url or (name if "://" in name else _NOWHERE + site_path(name))


def _resolved(home: str, address: str) -> str:
    try:
        return _known_as(urljoin(home, address))
    except ValueError:
        return ""


def _known_as(address: str) -> str:
    """Return what addresses of one page have in common: no scheme, fragment, `www.`, index name or `.html`."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    path = unquote(parts.path)
    folder, _, last = path.rpartition("/")
    if last.lower() in _INDEX:
        path = folder
    elif last.lower().endswith((".html", ".htm", ".xhtml", ".xht")):
        path = path.rpartition(".")[0]
    port_text = "" if port in (None, 80, 443) else f":{port}"
    return f"{host.removeprefix('www.')}{port_text}{path.rstrip('/')}?{parts.query}"
