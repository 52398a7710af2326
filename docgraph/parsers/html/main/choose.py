"""Which blocks are the page's main content, and what part of the page the others belong to.

    Elements, Flow ─ measure ─> features, words ─ forest ─> probability of each block
        ─ keep ─> the element that holds the article, the blocks kept in it; the rest by landmark, name and place

Three steps, from evidence that is weak to labels that fit together:

1. `features` measures every block, the forest gives it a probability. What names say is evidence among the rest.
2. The article's element is the one whose subtree gains most when each block in it pays `PRICE` and earns its
   probability, both times its words: the best single cut of the tree.
3. Inside it a block must be rubbish to be left out; outside nothing is main. A block that is all link, or that asks
   the reader to do something, must make a better case. If hardly anything is left, the page is judged again without
   suspicion: whatever is no link and in no named frame is main. A page that shows text is never left empty.

What belongs together stays together: a list or table that is mostly main is main, and so is a heading right before
main text. Nothing is deleted: the verdict is a label and a score. Bylines and dates before the first main block are
`header`; captions have their pictures' role, and the title is main
(`main_text` leaves both out: they are beside the text).

Sources: the idea of a container from Readability.js (mozilla); the best-cut formulation from maximum subsequence
segmentation (Pasternack and Roth, WWW 2009), on the tree instead of the sequence of tokens; the second look at pages
with little text from Readability.js and jusText.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from docgraph.parsers.html.blocks import Flow
from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.main.below import drop_what_is_below
from docgraph.parsers.html.main.controls import LONGEST_CONTROL, controls
from docgraph.parsers.html.main.features import FEATURES, Measured, measure
from docgraph.parsers.html.main.forest import main_content
from docgraph.parsers.html.main.part_headings import (
    drop_boxed_headings,
    drop_headings_of_buttons,
    keep_headings_of_main,
    keep_headings_of_parts,
    keep_headings_of_stories,
    second_lines,
)
from docgraph.parsers.html.main.parts import (
    drop_what_follows_the_article,
    keep_lists_of_items,
    keep_lists_of_the_text,
    keep_lists_whole,
    keep_panels,
    keep_quotes_whole,
)
from docgraph.parsers.html.main.programs import keep_code, keep_references
from docgraph.parsers.html.main.roles import Verdict, set_regions, set_roles
from docgraph.parsers.html.main.text_features import count_words
from docgraph.parsers.html.main.together import keep_notes, keep_posts

PRICE: Final = 0.3
"""What each word of the article's element costs, in probability."""
LEAST: Final = 0.1
LEAST_IF_LINK: Final = 0.5
LEAST_IF_ASKING: Final = 0.5
LEAST_IF_NAMED: Final = 0.35
"""Probability that a block inside the article's element needs: any, all link, asking for something, in a small
container that is named as something else."""
MOST_WORDS_COUNTED: Final = 200
"""Words of one block that count in the choice of the element."""
ENOUGH_WORDS: Final = 40
MOST_BOXED: Final = 2
"""Likely words in boxes named as something else, for each word outside of them, on a page of few words."""
SURE: Final = 0.8
LEAST_SURE: Final = 0.3
"""Fewer main words than this, or a smaller share of them with at least this probability: judged again."""
DECLARED_MORE: Final = 1.5
"""An article declared with so many times the words of the main text is not all there."""

_LINKS: Final = FEATURES.index("link_density")
_ASKING: Final = FEATURES.index("asking")
_LEVEL: Final = FEATURES.index("level")
_IN_MAIN: Final = [FEATURES.index("tag_main"), FEATURES.index("tag_article")]
_NOWHERE: Final = 2
"""What stands in a column of names where no element around has that name."""
_TITLE_LEVELS: Final = 3
"""Headings of these levels may be the page's title."""
_LIST_LEVELS: Final = 6


def judge(
    elements: Elements, flow: Flow, captions: set[int], figures: set[int], *, title: str = "", declared: str = ""
) -> Verdict:
    """Return the verdict on a page.

    Args:
        captions: indices in `Flow.items` of the runs that are captions or credits.
        figures: elements that are figures; no part of one is a part of the page.
        title: the page's title as its metadata gives it; the heading that says the same is the title.
        declared: the article's text as the page's metadata gives it (JSON-LD), or "".
    """
    verdict = Verdict(title=find_title(elements, flow, title), sections_by_element=not flow.headings)
    model = main_content()
    measured = measure(elements, flow, model.words, title=verdict.title, declared=declared)
    if not measured.block:
        return verdict
    probability = model.forest.predict(measured.matrix)
    choice = keep(measured, probability, verdict.title)
    verdict.root, verdict.relaxed = choice.root, choice.relaxed
    while verdict.root > 0 and verdict.root > measured.owner[choice.kept].min(initial=verdict.root):
        verdict.root = elements.parent[verdict.root]
    main = {
        index
        for index, block, keep in zip(measured.index, measured.block, choice.kept.tolist(), strict=True)
        if keep and block.element != verdict.title and index not in captions
    }
    main |= {
        index
        for index in keep_posts(elements, flow, measured, choice.kept)
        if flow.items[index].element != verdict.title and index not in captions  # type: ignore[union-attr]
    }
    keep_lists_whole(elements, flow, measured, main, {verdict.title}, captions)
    keep_lists_of_the_text(elements, flow, measured, main, captions)
    keep_lists_of_items(elements, flow, measured, main, captions)
    keep_quotes_whole(elements, flow, main)
    keep_panels(elements, flow, measured, main)
    keep_code(elements, flow, measured, main, captions)
    keep_references(elements, flow, measured, main, verdict.title, captions)
    keep_headings_of_main(elements, flow, main, verdict.title, captions)
    keep_headings_of_stories(elements, flow, measured, main, verdict.title)
    keep_headings_of_parts(elements, flow, measured, main, verdict.title)
    drop_what_follows_the_article(elements, flow, measured, main, verdict.title, title)
    drop_what_is_below(elements, flow, measured, main)
    keep_notes(elements, flow, main)
    machine = controls(elements, flow, measured)
    # A sign alone among headings, or what was kept for want of other text, is left.
    is_kept = choice.relaxed or sum(map(measured.words_at, main & machine)) <= LONGEST_CONTROL
    if not is_kept or any(flow.items[index].element not in flow.headings for index in main - machine):  # type: ignore[union-attr]
        main -= machine
    drop_boxed_headings(elements, flow, main)
    drop_headings_of_buttons(elements, flow, main, verdict.title)
    main -= flow.repeated
    verdict.root = _around_all(elements, flow, verdict.root, main)
    verdict.second_lines = second_lines(elements, flow, main, verdict.title)
    verdict.main_words = sum(map(measured.words_at, main))
    verdict.block_score = dict(zip(measured.index, probability.round(4).tolist(), strict=True))
    set_regions(verdict, elements, flow, main, figures, measured)
    set_roles(verdict, elements, flow, main, captions)
    return verdict


def doubts(verdict: Verdict, declared: str) -> Iterator[tuple[str, str]]:
    """Yield what is to be said of a verdict: (code, sentence) where main text is missing or may be."""
    words, more = verdict.main_words, count_words(declared) if declared else 0
    if not words:
        yield "main.empty", "no main text was found on the page."
    elif words < ENOUGH_WORDS:
        yield "main.little", f"the main text has {words} words; what is neither link nor frame was taken for it."
    if more > DECLARED_MORE * words + ENOUGH_WORDS:
        yield (
            "main.declared",
            f"the declared article (articleBody of JSON-LD) has {more} words, of which {words} are shown.",
        )


def find_title(elements: Elements, flow: Flow, title: str) -> int:
    """Return the heading element that is the page's title, or -1.

    That is the one of the first levels whose words agree best with the title of the metadata, not counting those in
    navigation and lists; without agreement, the first `h1`.
    """
    wanted = set(title.lower().split())
    best, best_score = -1, 0.0
    for row, level in sorted(flow.headings.items()):
        if level > _TITLE_LEVELS:
            continue
        words = set(elements.text(row).lower().split())
        both = len(words & wanted)
        agreement = both / len(words | wanted) if both else 0.0
        covered = both / len(words) if both and len(words) >= 3 else 0.0
        score = agreement + 0.5 * covered + (0.3 if level == 1 else 0.0)
        if score > best_score and _is_in_list(elements, row):
            score -= 0.5
        if score > best_score + 1e-9 and (level == 1 or agreement > 0.4):
            best, best_score = row, score
    return best


def _is_in_list(elements: Elements, row: int) -> bool:
    above = elements.around(elements.parent[row], _LIST_LEVELS)
    return any(elements.tag[one] in ("nav", "li", "aside", "footer") for one in above)


@dataclass(frozen=True, slots=True)
class Choice:
    """What of a page is main."""

    root: int
    """The article's element."""
    kept: NDArray[np.bool_]
    """(B,) whether each block is main."""
    relaxed: bool
    """Whether little was found at first, and the page judged again without suspicion."""


def keep(measured: Measured, probability: NDArray[np.float64], title: int = -1) -> Choice:
    """Return the article's element and which blocks are main. Of a page that shows text, some are.

    Args:
        title: the title's heading element, or -1. Prose between it and the article's element leads into the article.
    """
    words, links = measured.words, measured.matrix[:, _LINKS]
    needed = np.full(len(words), LEAST)
    needed[links > 0.8] = LEAST_IF_LINK
    needed[measured.matrix[:, _ASKING] > 0] = LEAST_IF_ASKING
    framed = np.zeros(len(words), dtype=bool)
    for row in measured.named:
        inside = (measured.owner >= row) & (measured.owner < measured.end[row])
        framed |= inside
        first = int(inside.argmax())  # 0 where the box has no block, and then nothing is changed
        headed = measured.matrix[first, _LEVEL] > 0 and probability[first] < LEAST_IF_NAMED
        if headed and (measured.matrix[inside, _ASKING] > 0).any():
            needed[inside] = SURE  # a box that asks for something under a heading that is none of the article's
    needed[framed] = np.maximum(needed[framed], LEAST_IF_NAMED)
    root, inside = _best_cut(measured, probability)
    if title >= 0:
        owner = measured.owner
        inside |= (owner > title) & (owner < root) & (probability > SURE) & (measured.prose > 0)
    kept = inside & (probability > needed)
    held = (words * kept).sum()
    sure = (words * kept * (probability > SURE)).sum()
    if held >= ENOUGH_WORDS and sure >= LEAST_SURE * held:
        return Choice(root, kept, relaxed=False)
    # No article here: a list, a landing page, a few words. Keep all that is not clearly something else.
    if held < ENOUGH_WORDS and (few := _few_words(measured, probability, title)).any():
        return Choice(0, few | (kept & (probability > SURE)), relaxed=True)
    for suspect in (framed | (links >= 0.5), links >= 0.5, np.zeros(len(words), dtype=bool)):
        wide = kept | ~suspect
        if wide.any():
            more = (words * wide).sum() > held
            return Choice(0 if more else root, wide if more else kept, relaxed=True)
    return Choice(root, kept, relaxed=True)


def _few_words(measured: Measured, probability: NDArray[np.float64], title: int) -> NDArray[np.bool_]:
    """Return the blocks of a page of few words that are in no box named as something else, nor beside `main`.

    On such a page each box holds much of the prose, so that none counts as small. None, if no likely sentence is left.
    """
    matrix, owner = measured.matrix, measured.owner
    boxed = matrix[:, _LINKS] >= 0.5
    for row in (*measured.named, *measured.large):
        if not row <= title < measured.end[row]:
            boxed |= (owner >= row) & (owner < measured.end[row])
    within = (matrix[:, _IN_MAIN] < _NOWHERE).any(axis=1)
    words, likely = measured.words, probability > LEAST
    for few in (within & ~boxed, ~boxed):
        # Where the boxes hold far more that is likely, one of them is the page under a wrong name.
        is_all = (words * (likely & ~few)).sum() <= MOST_BOXED * (words * few).sum() < MOST_BOXED * 2 * ENOUGH_WORDS
        if is_all and (few & (measured.prose > 0) & likely).any():
            return np.asarray(few)
    return np.zeros(len(owner), dtype=bool)


def _best_cut(measured: Measured, probability: NDArray[np.float64]) -> tuple[int, NDArray[np.bool_]]:
    """Return the element whose subtree is worth most after each word paid the price, and which blocks are in it."""
    owner, ends = measured.owner, measured.end
    gain = np.minimum(measured.words, MOST_WORDS_COUNTED) * (probability - PRICE)
    running = np.concatenate([[0.0], np.cumsum(np.bincount(owner, weights=gain, minlength=len(ends)))])
    totals = running[ends] - running[:-1]
    # Of elements with the same blocks the innermost is meant: the last of the equal ones in document order.
    best = np.flatnonzero(totals >= totals.max() - 1e-9)
    root = int(best[0])
    for row in best.tolist():
        if root <= row < ends[root]:
            root = row
    return root, (owner >= root) & (owner < ends[root])


def _around_all(elements: Elements, flow: Flow, root: int, main: set[int]) -> int:
    """Return the element, or the closest around it, that holds all main blocks.

    Some stand outside of the best cut: panels, the posts of a thread.
    """
    ends = [flow.items[index].element for index in ((min(main), max(main)) if main else ())]  # type: ignore[union-attr]
    while root > 0 and not all(root <= element < elements.end(root) for element in ends):
        root = elements.parent[root]
    return root
