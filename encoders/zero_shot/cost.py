"""What attention costs, counted: pairs of logits, the paper's FLOPs, and all multiply-adds.

Two counts, for one layer of width d with h heads over n positions:

* the paper's: pairs * (4 d + h), with the families of windows padded to full size and the means and the way
  down left out; for trees that are not windows, families count their own size. It has no notion of the untied forms.
* the full one, in multiply-adds: per family of size b, 2 b^2 d + b^2 h (logits, values, exponentials); per node below
  the root 3 d (its share of its parent's means) and 2 d + 8 h (the way down). Untied forms: (2 d + h) for each
  logit (those of tied far fields once a group), 2 d per node for the means of keys and values (3 d with those of
  queries, and 2 d + 8 h for the way down, if far fields are tied). Attention pooling adds 4 d a position and 4 h a node,
  the second cumulant d a far logit and 2 d a node.

Softmax attention is 2 n^2 d + n^2 h, and half of that, the pairs that are seen, if causal.

Sources: hsa.md; paper.md section 5 for the formula, which gives all 14 cells of the paper's Table 3.
"""

from dataclasses import dataclass

import numpy as np

from encoders.forest.batch import TreeBatch
from encoders.zero_shot.forms.form import Form, plan_of
from encoders.zero_shot.hierarchy import Hierarchy, Windows


@dataclass(frozen=True)
class Cost:
    """Of one layer on one sequence."""

    pairs: int
    """Logits that are computed for each head."""
    paper: int
    """FLOPs as the paper counts them."""
    full: int
    """Multiply-adds."""

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.pairs + other.pairs, self.paper + other.paper, self.full + other.full)


def softmax_cost(n: int, width: int, heads: int, *, causal: bool = False) -> Cost:
    """Return the cost of softmax attention over n positions."""
    pairs = n * (n + 1) // 2 if causal else n * n
    return Cost(pairs, n * n * (4 * width + heads), pairs * (2 * width + heads))


def hsa_cost(
    forest: TreeBatch, hierarchy: Hierarchy, form: Form, width: int, heads: int, *, causal: bool = False
) -> Cost:
    """Return the cost of a form of HSA over one tree."""
    families = forest.families()
    sizes = families.size
    if isinstance(hierarchy, Windows) and hierarchy.special_tokens == "inside":
        paper_pairs = paper_window_pairs(forest.num_leaves, hierarchy.branching)
    else:
        paper_pairs = int((sizes**2).sum()) + 1
    paper = paper_pairs * (4 * width + heads)
    below_root = int(np.count_nonzero(families.parent >= 0))
    if causal:
        form = form.for_causal()
    if form.untie is None:
        pairs = int((sizes**2).sum())
        full = pairs * (2 * width + heads) + below_root * (5 * width + 8 * heads)
        return Cost(pairs, paper, full + form.cumulant * (pairs * width + below_root * 4 * width))
    plan = plan_of(forest, form, causal=causal)
    tied = form.untie == "rows"
    pairs = plan.tied_pairs if tied else plan.pairs
    far = plan.tied_far_pairs if tied else plan.far_pairs
    full = pairs * (2 * width + heads) + below_root * (5 * width + 8 * heads if tied else 2 * width)
    if form.pooling == "attention":
        full += forest.num_leaves * 4 * width + below_root * 4 * heads
    return Cost(pairs, paper, full + form.cumulant * (far * width + below_root * 2 * width))


def paper_window_pairs(n: int, branching: tuple[int, ...]) -> int:
    """Return the paper's pairs for n positions in windows.

    A level of one family counts its own size, one of several families their full size; above the last level is
    the root's own family.
    """
    pairs = 0
    for b in branching:
        families = -(-n // b)
        pairs += families * b * b if families > 1 else n * n
        n = families
    return pairs + n * n
