"""Shadow trees as a browser draws them: what an element holds stands in the slots of its shadow root, not after it.

<x-a><template shadowrootmode=open><h1><slot name=t>Untitled</slot></h1></template><b slot=t>Wall</b></x-a>
    ─ fill_slots ─> <h1><b slot=t>Wall</b></h1>

Source: DOM Living Standard 4.2.2 (slots), for declarative shadow roots.
"""

from itertools import islice
from typing import Any, Final

import turbohtml

_MOST_ROOTS: Final = 1_000
_MOST_NODES: Final = 5_000
_MOST_LEVELS: Final = 100
"""Of one shadow tree: they may lie in each other, and the cost is the product."""


def fill_slots(page: Any) -> None:
    """Move the children of each element with a shadow root in a tree of turbohtml to the slots that they are for; what
    stands in such a slot is shown only where nothing is for it. Children for no slot stay where they are.
    """
    roots = [node for node in page.iter_elements() if node.tag == "template" and _is_root(node.attrs)]
    hosts = {root.parent: root for root in reversed(roots[:_MOST_ROOTS]) if root.parent is not None}  # the first is it
    for host, root in reversed(hosts.items()):
        slots: dict[str, Any] = {}
        for node in islice(root.descendants, _MOST_NODES):
            if node.__class__ is turbohtml.Element and node.tag == "slot" and _is_of(node, root):
                slots.setdefault(str(node.attrs.get("name") or ""), node)
        filled = dict[str, Any]()
        for child in list(host.children) if slots else ():
            name = child.attrs.get("slot") or "" if child.__class__ is turbohtml.Element else ""
            if child is root or name not in slots or child.__class__ not in (turbohtml.Element, turbohtml.Text):
                continue
            if child.__class__ is turbohtml.Text and not child.data.strip() and name not in filled:
                continue
            filled[name] = slots[name]
            slots[name].insert_before(child)
        for slot in filled.values():
            slot.extract()


def _is_of(slot: Any, root: Any) -> bool:
    """Whether a slot belongs to a root, and not to one within it."""
    above = slot.parent
    for _ in range(_MOST_LEVELS):
        if above is None or (above.__class__ is turbohtml.Element and above.tag == "template"):
            break
        above = above.parent
    return bool(above == root)


def _is_root(own: Any) -> bool:
    return "shadowrootmode" in own or "shadowroot" in own
