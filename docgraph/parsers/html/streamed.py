"""Parts of a page that React streams: they arrive hidden, at the end, and a script puts each in its place.

<template id="B:0"> ... <div hidden id="S:0"> ... $RC("B:0", "S:0") ─ put_in_place ─> the tree that a reader sees
"""

import re
from itertools import islice
from typing import Any, Final

import turbohtml

_STREAMED: Final = re.compile(r"""\$R[CRS]\(\s*["']([BPS]:\w+)["']\s*,\s*["']([BPS]:\w+)["']""")
"""A call that puts a streamed part ("S:1") where its placeholder stands ("B:1", "P:1")."""
_MOST_STREAMED: Final = 100


def put_in_place(page: Any, markup: str) -> None:
    """Move each streamed part of a tree of turbohtml to where its placeholder stands.

    Args:
        page: the tree of `markup`.
    """
    moves = [sorted(move.groups()) for move in islice(_STREAMED.finditer(markup), _MOST_STREAMED)]
    if not moves:
        return
    by_id = {name: node for node in page.iter_elements() if (name := node.attrs.get("id"))}
    for into, name in moves:
        place, part = by_id.get(into), by_id.get(name)
        if place is None or part is None or place.tag != "template":
            continue
        around = list(place.ancestors)
        # What an earlier call took out with its fallback is of the page no more.
        if part in around or page not in around or page not in part.ancestors:
            continue
        depth, fallback = 0, list[Any]()
        for node in place.next_siblings if into.startswith("B") else ():
            if node.__class__ is turbohtml.Comment:
                depth += -1 if node.data.startswith("/") else node.data.startswith("$")
                if depth < 0:
                    for one in fallback:
                        one.extract()
                    break
            fallback.append(node)
        del by_id[into], by_id[name]
        place.insert_before(*list(part.children))
        place.extract()
        part.extract()
