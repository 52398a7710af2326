"""Blocks that the pages of a site share: navigation, footers, notices. They are marked, not removed.

A block is shared if the same text, in the same kind of node, stands on at least three pages and on at least half of
them or ten. Lists, tables and sections count as one thing: they are shared if all that is in them is, and neither a
heading, an item nor a cell is marked by itself ("Summary" over each page's own summary is no template). Pages that
would lose all of their main content, such as copies of one page, keep it.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from docgraph.document import Document
from docgraph.main_text import text_blocks

_NEVER_ALONE: Final = frozenset(
    ("heading", "item", "cell", "term", "definition", "sentence", "caption", "credit", "image")
)


def mark_templates(site: Document) -> Document:
    """Return the site with role "boilerplate" on what its pages share; a role it had is kept as `page_role`."""
    pages = site.child_rows(0)
    if len(pages) < 3:
        return site
    block_key = _block_keys(site)
    page_of = _pages(site, pages)
    counts = Counter(key for _, key in {(page_of[row], key) for row, key in block_key.items()})
    least = max(3, min(10, (len(pages) + 1) // 2))
    shared = {row for row, key in block_key.items() if counts[key] >= least}
    if not shared:
        return site
    whole = _wholly_shared(site, block_key, shared)
    tops = [row for row in _topmost(site, whole) if page_of[row] >= 0]
    return _marked(site, [row for page, rows in _by_page(tops, page_of).items() for row in _sparing(site, page, rows)])


def _block_keys(site: Document) -> dict[int, tuple[Any, ...]]:
    """Return for each text block and image what it is recognised by."""
    keys: dict[int, tuple[Any, ...]] = {}
    for row in text_blocks(site):
        start, end = site.span[row].tolist()
        keys[row] = (site.kind[row], " ".join(site.text[start:end].split()).casefold())
    for row, kind in enumerate(site.kind):
        if kind == "image" and (source := site.attributes.get(row, {}).get("src")):
            keys[row] = ("image", source)
    return keys


def _pages(site: Document, pages: Sequence[int]) -> list[int]:
    """Return for each row the row of its page, -1 for the root."""
    page_of = [-1] * len(site)
    for page in pages:
        end = int(site.subtree_end[page])
        page_of[page:end] = [page] * (end - page)
    return page_of


def _wholly_shared(site: Document, keys: dict[int, Any], shared: set[int]) -> list[bool]:
    """Return for each row whether there are blocks in it and all of them are shared."""
    shared_in, other_in = [False] * len(site), [False] * len(site)
    parent = site.parent.tolist()
    for row in keys:
        shared_in[row], other_in[row] = row in shared, row not in shared
    for row in range(len(site) - 1, 0, -1):
        above = parent[row]
        shared_in[above] = shared_in[above] or shared_in[row]
        other_in[above] = other_in[above] or other_in[row]
    return [some and not other for some, other in zip(shared_in, other_in, strict=True)]


def _topmost(site: Document, whole: list[bool]) -> list[int]:
    """Return the rows to mark: wholly shared, under a node that is not, and of a kind that can stand alone."""
    parent = site.parent.tolist()
    tops: list[int] = []
    row = 1
    while row < len(site):
        page = parent[row] == 0
        if whole[row] and not page and site.kind[row] not in _NEVER_ALONE:
            tops.append(row)
            row = int(site.subtree_end[row])
        else:
            row += 1
    return tops


def _by_page(rows: list[int], page_of: list[int]) -> dict[int, list[int]]:
    grouped: dict[int, list[int]] = {}
    for row in rows:
        grouped.setdefault(page_of[row], []).append(row)
    return grouped


def _sparing(site: Document, page: int, rows: list[int]) -> list[int]:
    """Return the rows to mark on a page: without its main content if that would be lost as a whole."""
    roles = site.effective_roles
    main = sum(
        int(site.span[row, 1] - site.span[row, 0])
        for row in range(page, int(site.subtree_end[page]))
        if site.child_count[row] == 0 and roles[row] in ("main", None)
    )
    taken = sum(
        int(site.span[leaf, 1] - site.span[leaf, 0])
        for row in rows
        for leaf in range(row, int(site.subtree_end[row]))
        if site.child_count[leaf] == 0 and roles[leaf] in ("main", None)
    )
    if taken < main:
        return rows
    return [row for row in rows if roles[row] not in ("main", None)]


def _marked(site: Document, rows: list[int]) -> Document:
    role = list(site.role)
    attributes = dict(site.attributes)
    for row in rows:
        if (was := site.effective_roles[row]) is not None:
            attributes[row] = {**attributes.get(row, {}), "page_role": was}
        end = int(site.subtree_end[row])
        role[row:end] = ["boilerplate"] + [None] * (end - row - 1)
    return site.replace(role=tuple(role), attributes=attributes)
