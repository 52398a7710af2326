"""Anchors: the rows that stand for inner nodes in the attention of other papers (peers.py).

    leaf states (N, D) ─ enter ─> leaves and anchors (N + A, D) ─ layers, pass by pass ─> read ─> rows (R, D)

An anchor starts as the mean of the leaves under it and a learned vector of its depth; the papers' start as the vector
alone and need a layer to look at their leaves. In the readout a node's vector is half the mean of its leaves, as for
every kind of attention, and half that of the anchors that speak for it (`Layout.reader_node`), where it has any.

Axes:  N leaves   A anchors   R rows   D model width   Q distinct positions
"""

from dataclasses import replace
from typing import Final

import torch
from torch import Tensor, nn

from docgraph.kinds import Domain
from encoders.forest.batch import TreeBatch
from encoders.forest.subtree import subtree_mean
from encoders.inputs.encoded import DOMAIN_CODE, DocumentBatch, PositionInputs
from encoders.layer import Structure
from encoders.peers import AnchorLayout, layout

DEPTHS: Final = 8
"""Depths with a vector of their own; deeper anchors share the last one's."""

Pass = tuple[int, Structure]
"""First row that takes part, and what the rows from there on attend over."""


class Anchors(nn.Module):
    """Puts anchors beside the leaves and reads them.

    Args:
        kind: one of `encoders.peers.PEERS`.
        window: leaves on each side that "local" attends to.
    """

    def __init__(self, kind: str, size: int, window: int) -> None:
        super().__init__()
        self.kind, self.window = kind, window
        self.depth = nn.Embedding(DEPTHS, size) if kind != "late" else None

    def layout(self, forest: TreeBatch, present: Tensor | None) -> AnchorLayout:
        """Return who attends to whom."""
        return layout(forest, self.kind, present=present, window=self.window)

    def enter(self, state: Tensor, structure: Structure) -> tuple[Tensor, list[Pass]]:
        """(N, D) -> (N + A, D), and the passes that every layer makes over them."""
        plan, leaves = self.layout(structure.forest, structure.present), len(state)
        if self.depth is not None:
            means = subtree_mean(state, structure.forest, present=structure.present)[plan.row[leaves:]]
            state = torch.cat([state, means + self.depth(plan.depth.clamp(max=DEPTHS - 1)).to(means.dtype)])
        ordinals = len(structure.batch.position.domain)
        own = structure.position.index[plan.row]
        index = torch.where(plan.ordinal < 0, own, ordinals + plan.ordinal)
        boxes = None if structure.box_features is None else structure.box_features[plan.row]
        return state, [
            (
                first,
                replace(
                    structure,
                    pattern=pattern,
                    position=replace(structure.position, index=index[first:]),
                    box_features=None if boxes is None else boxes[first:],
                ),
            )
            for first, pattern in zip((0, leaves), plan.passes, strict=False)
        ]

    def read(self, rows: Tensor, anchors: Tensor, structure: Structure) -> Tensor:
        """(R, D) means of leaves and (A, D) -> (R, D)."""
        if not len(anchors):
            return rows
        plan = self.layout(structure.forest, structure.present)
        families = structure.forest.tensors(structure.present)
        node, nodes = families.node_of_row, len(families.parent)
        total = anchors.new_zeros(nodes, anchors.shape[1]).index_add(0, plan.reader_node, anchors[plan.reader_anchor])
        count = torch.bincount(plan.reader_node, minlength=nodes)
        mean = total / count.clamp(min=1)[:, None].to(total.dtype)
        spoken = ((node >= 0) & (count[node] > 0))[:, None]
        return torch.where(spoken, (rows + mean[node]) / 2, rows)


def with_ordinals(batch: DocumentBatch) -> PositionInputs:
    """Return a batch's positions, and after them one for each place in the longest document's reading order."""
    position, device = batch.position, batch.leaf_document.device
    longest = int(torch.bincount(batch.leaf_document).max()) if len(batch.leaf_document) else 0
    place = torch.zeros(longest, 2, dtype=position.place.dtype, device=device)
    place[:, 0] = torch.arange(longest, device=device)
    code = torch.full((longest,), DOMAIN_CODE[Domain.SEQUENCE], dtype=position.domain.dtype, device=device)
    return replace(
        position,
        domain=torch.cat([position.domain, code]),
        place=torch.cat([position.place, place]),
        reference=torch.cat([position.reference, position.reference.new_zeros(longest)]),
    )
