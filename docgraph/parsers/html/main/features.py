"""What can be measured of each block: the evidence on which main content is told from the rest.

    Elements, Flow ─> Measured: one row a block that has text, one column a feature

Columns are of five kinds: the block itself (words, links, punctuation); the elements around it (how much of the
page's prose each holds, how linked it is); what their tags and class names say; the blocks before and after; what
the page says elsewhere (JSON-LD `articleBody`). A class name says "sidebar" on a wrapper of the whole page as often
as on a sidebar, so a name is measured by how much of the page's prose its element holds. `places` has what depends on
where a block stands, `text_features` what its text tells.

Words are units: a Chinese, Japanese or Thai character counts as one.
"""

import re
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

from docgraph.parsers.html.blocks import Flow, TextBlock
from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.main.names import ITEM_BODY, NAMES, TAG_COLUMNS, families_of_name
from docgraph.parsers.html.main.places import AROUND, NEIGHBOURS, PLACE, Floats, Rows, Tree, around, neighbours, place
from docgraph.parsers.html.main.text_features import LOCAL, text_columns
from docgraph.parsers.html.main.words import WORD_COLUMNS, Clues, Words, words_of_element, words_of_text


@dataclass(slots=True)
class Measured:
    """The features of a page's blocks."""

    index: list[int]
    """(B,) place of each block in `Flow.items`."""
    block: list[TextBlock]
    words: Floats
    """(B,) words of each block."""
    prose: Floats
    """(B,) its words if it reads like prose, else 0."""
    owner: Rows
    """(B,) the element that each block stands in."""
    end: Rows
    """(E,) one past the last row of each element's subtree."""
    named: dict[int, str]
    """Outermost small containers that by their name or tag hold no content -> the role that they have then."""
    large: list[int]
    """Containers that are named like that, and hold more of the page's prose than a small one."""
    before: list[int]
    """(I + 1) words of all blocks before each place in `Flow.items`, and before its end."""
    clues: Clues
    matrix: NDArray[np.float32]
    """(B, F) features in the order of `FEATURES`."""

    def words_at(self, index: int) -> int:
        """Return the words of the block at a place in `Flow.items`."""
        return self.before[index + 1] - self.before[index]


JUNK: Final = (
    "comment", "navigation", "footer", "promo", "author", "advert", "consent", "related", "tags", "tag_nav",
    "tag_footer", "tag_aside", "tag_form",
)  # fmt: skip
"""Families that seldom hold main content where they hold a small share of the page's prose."""
GOOD: Final = ("article", "body", "content", "paragraph", "item_body", "tag_article")
SUMMARY: Final = ("junk", "good")
_JUNK: Final = [NAMES.index(name) for name in JUNK]
_GOOD: Final = [NAMES.index(name) for name in GOOD]
FEATURES: Final = LOCAL + AROUND + NAMES + SUMMARY + NEIGHBOURS + PLACE + WORD_COLUMNS


def measure(elements: Elements, flow: Flow, words: Words, *, title: int = -1, declared: str = "") -> Measured:
    """Return the features of every block with text.

    Args:
        words: what words are worth as evidence.
        title: the title's heading element, or -1.
        declared: the article's text as the page declares it elsewhere (JSON-LD), or "".
    """
    with_text = [(i, block) for i, block in flow.blocks() if block.text]
    index, blocks = [i for i, _ in with_text], [block for _, block in with_text]
    owner = np.asarray([block.element for block in blocks], dtype=np.int64)
    if not blocks:
        none = np.zeros(0)
        clues = Clues([], [], none, np.zeros(0, np.intp), [])
        matrix = np.zeros((0, len(FEATURES)), np.float32)
        return Measured(index, blocks, none, none, owner, owner, {}, [], [0] * (len(flow.items) + 1), clues, matrix)
    local = text_columns(elements, flow, blocks, declared)
    count = local[:, 0].copy()
    links = local[:, LOCAL.index("link_density")]
    ends = local[:, LOCAL.index("ends_sentence")] > 0
    prose = np.where((links < 0.4) & ((count >= 25) | ((count >= 8) & ends)), count, 0.0)
    tree = Tree(elements, owner, count, count * links, prose)
    for name in ("date", "asking", "level", "pictures"):
        tree.counts.append(tree.sum(owner, np.minimum(local[:, LOCAL.index(name)], 1.0)))
    levels = around(tree, owner)
    above = _above(elements, owner)
    families = _families(elements, tree)
    names = _name_columns(elements, above, owner, tree, families)
    heading = local[:, LOCAL.index("level")] > 0
    kind = local[:, LOCAL.index("kind")]
    beside = neighbours(count, links, prose, heading, kind, owner, tree)
    position = place(elements, tree, owner, count, prose, title)
    local[:, 0] = np.log2(1 + count)
    junk, good = names[:, _JUNK].min(axis=1), names[:, _GOOD]
    good = np.where(good > 0.4, good, 2).min(axis=1)
    clues = _clues(elements, above, owner, tree, blocks)
    columns = (local, levels, names, junk[:, None], good[:, None], beside, position, words.columns(clues))
    matrix = np.concatenate(columns, axis=1, dtype=np.float32, casting="same_kind")
    held = np.zeros(len(flow.items) + 1, dtype=np.int64)
    held[np.asarray(index) + 1] = count
    before = held.cumsum().tolist()
    small, large = _named(elements, tree, families)
    return Measured(index, blocks, count, prose, owner, tree.end, small, large, before, clues, matrix)


def _above(elements: Elements, owner: Rows) -> list[int]:
    """Return the elements around the blocks, parents before children."""
    parents = elements.parent
    around: set[int] = set()
    for row in owner.tolist():
        while row >= 0 and row not in around:
            around.add(row)
            row = parents[row]
    return sorted(around)


def _clues(elements: Elements, above: list[int], owner: Rows, tree: Tree, blocks: list[TextBlock]) -> Clues:
    place = {row: index for index, row in enumerate(above)}
    tags, attributes, parents = elements.tag, elements.attributes, elements.parent
    return Clues(
        names=[words_of_element(tags[row], attributes[row]) if tags[row] not in _PAGE else () for row in above],
        parent=[place.get(parents[row], -1) for row in above],
        share=tree.prose[above] / tree.total_prose,
        owner=np.asarray([place[row] for row in owner.tolist()], dtype=np.intp),
        texts=[words_of_text(block.text) for block in blocks],
    )


def _names_menu(class_: str, id_: str) -> bool:
    return "menu" in f"{class_} {id_}".lower()


_PRICE: Final = re.compile(
    r"[€£$¥₹₽₺]\s?\d|\d\s?(?:[€£₽₺円元]|(?:zł|kr|Kč|Ft|lei|руб)(?![a-zа-я]))|\b\d{1,3}[.,]\d\d\b"
)
_FEW: Final = 5
_WORDS_A_PRICE: Final = 30
"""Words that a list of dishes has, at least, and for each price, at most."""
_PAGE: Final = frozenset(("html", "body"))
"""Elements whose names tell of the site and the kind of page, not of a part of it."""


def _families(elements: Elements, tree: Tree) -> dict[int, tuple[int, ...]]:
    """Return the families that the class and id attributes of elements name, for those that name any.

    A "menu" of sentences, or of dishes and prices, without a link leads nowhere: it is no navigation.
    """
    leads_nowhere = (tree.linked == 0) & (tree.prose > 0)
    menus, prices, done = list[int](), 0, 0
    for row in elements.rows_named(_names_menu, ("menu",)):
        if row >= done and tree.linked[row] == 0 and tree.words[row] > _FEW:
            done, found = elements.end(row), len(_PRICE.findall(elements.text(row)))
            if _WORDS_A_PRICE * found > tree.words[row]:
                menus.append(row)
                prices += found
    # One price alone is that of an empty cart.
    dishes = {inner for row in menus for inner in range(row, elements.end(row))} if prices > 1 else ()
    return {
        row: tuple(family for family in families if family != _NAVIGATION) if leads_nowhere[row] else families
        for (class_, id_), rows in elements.by_names().items()
        if (families := families_of_name(class_[:200]) + families_of_name(id_[:100]))
        for row in rows
        if row not in dishes
    }


def _name_columns(
    elements: Elements, above: list[int], owner: Rows, tree: Tree, families: dict[int, tuple[int, ...]]
) -> Floats:
    """Return, for each family, the share of prose of the nearest element around a block that it names; 2 if none."""
    none = (-1,) * len(NAMES)
    tags, attributes, parents = elements.tag, elements.attributes, elements.parent
    bodies = {row for row in elements.rows_with("itemprop") if attributes[row]["itemprop"] in ("articleBody", "text")}
    bodies |= {row for row in elements.rows_with("property") if attributes[row]["property"] == "content:encoded"}
    nearest: dict[int, tuple[int, ...]] = {-1: none}
    for row in above:
        state = nearest[parents[row]]
        columns = TAG_COLUMNS.get(tag := tags[row], ())
        if tag not in _PAGE:
            columns += families.get(row, ())
            if row in bodies:
                columns += (ITEM_BODY,)
        if columns:
            changed = list(state)
            for column in columns:
                changed[column] = row
            state = tuple(changed)
        nearest[row] = state
    # Most blocks share their answer with many others: an array of the different ones, then one row for each block.
    different: dict[tuple[int, ...], int] = {}
    which = [different.setdefault(nearest[row], len(different)) for row in owner.tolist()]
    found = np.fromiter(chain.from_iterable(different), np.int64).reshape(len(different), -1)[which]
    return np.where(found >= 0, tree.prose[found] / tree.total_prose, 2.0)


JUNK_ROLES: Final[dict[str, str]] = {
    "navigation": "nav", "tag_nav": "nav", "footer": "footer", "tag_footer": "footer", "tag_form": "form",
}  # fmt: skip
"""Role of a junk container, by the family that names it; "aside" for the others."""
_CONTAINERS: Final = frozenset("div section ul ol dl aside nav footer form table figure details dialog center".split())
_JUNK_COLUMNS: Final = {NAMES.index(name): JUNK_ROLES.get(name, "aside") for name in JUNK}
_JUNK_TAGS: Final = [tag for tag, columns in TAG_COLUMNS.items() if not _JUNK_COLUMNS.keys().isdisjoint(columns)]
_COMMENT: Final = NAMES.index("comment")
_NAVIGATION: Final = NAMES.index("navigation")
_SMALL: Final = 0.3
_NEARLY_ALL: Final = 0.95
"""Shares of the page's prose: such a container holds at most this; one of comments at most that."""


def _named(elements: Elements, tree: Tree, families: dict[int, tuple[int, ...]]) -> tuple[dict[int, str], list[int]]:
    """Return the outermost small containers that by name or tag hold no content, and their roles; and larger ones.

    That is what such a container is called if it holds no main content, and no reason for it to hold none.
    """
    share = (tree.prose / tree.total_prose).tolist()
    found, large = dict[int, str](), list[int]()
    end = -1
    tags = elements.tag
    for row in sorted(families.keys() | {row for tag in _JUNK_TAGS for row in elements.rows_of(tag)}):
        if row < end or tags[row] not in _CONTAINERS or share[row] > _NEARLY_ALL:
            continue
        columns = TAG_COLUMNS.get(tags[row], ()) + families.get(row, ())
        named = [column for column in columns if column in _JUNK_COLUMNS]
        if named and (share[row] <= _SMALL or _COMMENT in named):
            found[row] = _JUNK_COLUMNS[named[0]]
            end = int(tree.end[row])
        elif named:
            large.append(row)
    return found, large
