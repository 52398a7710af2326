"""What the model eats: one encoded document, and a batch of them.

    Document --processor--> EncodedDocument (numpy, no images decoded) --collate--> DocumentBatch (tensors)

An encoded document has one row for each document node that has leaves under it, then one for each token or patch
leaf. A batch lays documents one after another: several roots of one forest, nothing padded to the longest.

Axes:  B documents   R rows   N leaves   T sub-words   U text units   I readable images   P patches an image
       Q distinct positions   K field names   G rows of GRAPH families
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from docgraph.embedding.embeddings import Problem
from docgraph.kinds import Domain
from encoders.forest.batch import TreeBatch
from encoders.forest.coarsen import Coarser, coarsen

if TYPE_CHECKING:
    from docgraph.images import ImageReference

DOMAIN_CODE: Final = {Domain.SET: 0, Domain.SEQUENCE: 1, Domain.GRID: 2, Domain.GRAPH: 3, Domain.KEYED: 4}
"""Codes in `domain` columns. The root of a document belongs to no family and has the code of a set."""

Ints = NDArray[np.int64]


class ImageLeaf(NamedTuple):
    """An image of one document, not yet decoded, and the rows that its patches have."""

    reference: "ImageReference"
    first_row: int
    node_row: int


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedDocument:
    """One document as arrays; rows are local to it and parents come before children."""

    parent: Ints
    """(R,) row of the parent, -1 at the root."""
    is_leaf: NDArray[np.bool_]
    domain: NDArray[np.uint8]
    """(R,) code of the family that a row belongs to: its parent's domain."""
    position: Ints
    """(R, 2) place in that family; (key ordinal in `keys`, 0) where keyed, (row of `graph`, 0) in a graph."""
    node_row: Ints
    """(R,) row of the document: tokens and patches have the row of the node they belong to."""
    keys: tuple[str, ...]
    key_token_id: tuple[tuple[int, ...], ...]
    """Sub-words of each key."""
    graph: NDArray[np.float32]
    """(G, k) features of the nodes of graph families."""
    token_id: Ints
    """(T,)"""
    token_row: Ints
    """(T,) the leaf row that a sub-word belongs to."""
    unit_start: Ints
    """(U + 1,) sub-words `unit_start[u]:unit_start[u + 1]` are text that is encoded together:
    a paragraph, a heading."""
    unit_digest: tuple[bytes, ...]
    """(U,) content hash of each unit, for caches."""
    images: tuple[ImageLeaf, ...]
    patches: int
    """Leaves of one image."""
    seed: int
    """Derived from the content: the same document is permuted the same way everywhere."""
    box: NDArray[np.float32] | None = None
    """(R, 4) left, top, right, bottom on the rendered page; of a row without one, its parent's. None if it was not."""
    readout_row: int = 0
    """Row whose vector stands for the document: the root, or the subtree that `readout_node` names."""
    cut_tokens: int = 0
    """Sub-words left out because of the processor's `max_tokens`."""

    @property
    def num_rows(self) -> int:
        """Rows: what a batch's budget counts."""
        return len(self.parent)

    @property
    def num_leaves(self) -> int:
        """Tokens and patches (or text nodes and images)."""
        return int(self.is_leaf.sum())

    def token_field(self, names: Sequence[str]) -> Ints:
        """(T,) place in `names` of the field that each sub-word is of, -1 for another one, or none; as
        `DocumentBatch.leaf_field`.
        """
        top = self.token_row
        while (deep := (self.parent[top] >= 0) & (self.parent[np.maximum(self.parent[top], 0)] >= 0)).any():
            top = np.where(deep, self.parent[top], top)
        place = {name: number for number, name in enumerate(names)}
        of_key = np.array([*(place.get(key, -1) for key in self.keys), -1], dtype=np.int64)
        found: Ints = of_key[np.minimum(self.position[top, 0], len(of_key) - 1)]
        return np.where(self.domain[top] == DOMAIN_CODE[Domain.KEYED], found, -1)


@dataclass(kw_only=True, eq=False)
class TextInputs:
    """Sub-words of all documents of a batch."""

    token_id: Tensor
    """(T,)"""
    token_leaf: Tensor
    """(T,) leaf of the batch that each sub-word belongs to."""
    unit_start: Ints
    """(U + 1,) on the CPU: windows are cut there."""
    unit_digest: Sequence[bytes]

    @property
    def unit(self) -> Tensor:
        """(T,) the unit of each sub-word."""
        lengths = np.diff(self.unit_start)
        return torch.from_numpy(np.repeat(np.arange(len(lengths)), lengths)).to(self.token_id.device)


@dataclass(kw_only=True, eq=False)
class ImageInputs:
    """Readable images of all documents of a batch."""

    pixel_values: Tensor
    """(I, 3, height, width), normalised."""
    first_leaf: Tensor
    """(I,) leaf of the batch that holds an image's first patch; the others follow."""
    document: Tensor
    """(I,)"""
    patches: int


@dataclass(kw_only=True, eq=False)
class PositionInputs:
    """Distinct positions of a batch: most rows share theirs with many others."""

    index: Tensor
    """(R,) row of the table below that each row of the forest has."""
    domain: Tensor
    """(Q,) domain codes."""
    place: Tensor
    """(Q, 2) float: ordinal or (row, column)."""
    reference: Tensor
    """(Q,) row of `key_token_id` where keyed, of `graph` in a graph, else 0."""
    key_token_id: Tensor
    """(K, longest) sub-words of the field names, -1 for none."""
    keys: tuple[str, ...]
    """(K,) the field names."""
    graph: Tensor
    """(G, k)"""


@dataclass(kw_only=True, eq=False)
class DocumentBatch:
    """A batch of documents as tensors; `.to(device)` moves all of it."""

    forest: TreeBatch
    text: TextInputs
    image: ImageInputs | None
    position: PositionInputs
    present: Tensor | None
    """(N,) False for leaves of images that could not be read; None if all are there."""
    leaf_document: Tensor
    """(N,) document of each leaf."""
    seed: Tensor
    """(B,)"""
    box: Tensor | None
    """(R, 4) left, top, right, bottom on the rendered page, NaN in documents that were not; None if none was."""
    readout_row: Tensor
    """(B,) row of the forest whose vector stands for the document."""
    node_row: Ints
    """(R,) document row of each row of the forest."""
    row_start: Ints
    """(B + 1,) first row of each document, and the number of rows."""
    problems: list[Problem] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.row_start) - 1

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "DocumentBatch":
        """Return the batch with its tensors on `device`."""
        moved: DocumentBatch = _moved(self, torch.device(device), non_blocking)
        return moved

    def rows_with_leaves(self) -> NDArray[np.bool_]:
        """(R,) True for rows with a present leaf at or under them: an image that could not be read is not there."""
        leaf_rows = self.forest.leaf_rows.cpu().numpy()
        there = np.zeros(self.forest.num_rows, dtype=bool)
        there[leaf_rows if self.present is None else leaf_rows[self.present.cpu().numpy()]] = True
        parent = self.forest.parent.cpu().numpy()
        while len(above := np.unique(parent[there])) and not there[above := above[above >= 0]].all():
            there[above] = True
        return there

    def leaf_field(self, names: Sequence[str]) -> Tensor:
        """(N,) place in `names` of the field of the article that a leaf belongs to, -1 for another one, or none."""
        parent, position = self.forest.parent, self.position
        top = self.forest.leaf_rows
        while (below_child := (parent[top] >= 0) & (parent[parent[top].clamp(min=0)] >= 0)).any():
            top = torch.where(below_child, parent[top], top)
        index = position.index[top]
        place = {name: number for number, name in enumerate(names)}
        of_key = [place.get(key, -1) for key in position.keys]
        number = torch.tensor([*of_key, -1], device=top.device)[position.reference[index].clamp(max=len(of_key))]
        return torch.where(position.domain[index] == DOMAIN_CODE[Domain.KEYED], number, -1)

    def empty(self) -> list[int]:
        """Return the places of documents without a present leaf: their vectors are zero."""
        there = self.rows_with_leaves()
        return [number for number, start in enumerate(self.row_start[:-1].tolist()) if not there[start]]

    @cached_property
    def coarser(self) -> list[Coarser]:
        """Steps of local pooling, made when first asked for; see `coarsened`."""
        return []

    def coarsened(self, step: int) -> Coarser:
        """Return the given step of local pooling (0-based) of the batch's forest."""
        while len(self.coarser) <= step:
            self.coarser.append(coarsen(self.coarser[-1].forest if self.coarser else self.forest))
        return self.coarser[step]

    @cached_property
    def flat(self) -> "DocumentBatch":
        """The same leaves with one family a document, in document order on a sequence: the flat baseline."""
        leaf_document = self.leaf_document.cpu().numpy()
        documents = len(self)
        parent = np.concatenate([np.full(documents, -1), leaf_document]).astype(np.int64)
        is_leaf = np.concatenate([np.zeros(documents, bool), np.ones(len(leaf_document), bool)])
        first = np.searchsorted(leaf_document, np.arange(documents))
        ordinal = np.arange(len(leaf_document)) - first[leaf_document]
        longest = int(ordinal.max(initial=-1)) + 1
        device = self.leaf_document.device
        place = torch.zeros(longest + 1, 2)
        place[1:, 0] = torch.arange(longest, dtype=torch.float32)
        domain = torch.full((longest + 1,), DOMAIN_CODE[Domain.SEQUENCE])
        domain[0] = DOMAIN_CODE[Domain.SET]
        position = PositionInputs(
            index=torch.from_numpy(np.concatenate([np.zeros(documents, np.int64), ordinal + 1])),
            domain=domain,
            place=place,
            reference=torch.zeros(longest + 1, dtype=torch.int64),
            key_token_id=torch.zeros(0, 1, dtype=torch.int64),
            keys=(),
            graph=torch.zeros(0, self.position.graph.shape[1]),
        )
        forest = TreeBatch.from_parents(parent, is_leaf=is_leaf)
        roots = torch.arange(documents)
        box = self.box
        if box is not None:
            box = torch.cat([box[torch.from_numpy(self.row_start[:-1]).to(device)], box[self.forest.leaf_rows]])
        return replace(self, forest=forest, position=position, box=box, readout_row=roots).to(device)


def _moved(value: Any, device: torch.device, non_blocking: bool) -> Any:
    """Return a dataclass of tensors, batches and plain values with its tensors on `device`."""
    changed: dict[str, Any] = {}
    for item in fields(value):
        content = getattr(value, item.name)
        if isinstance(content, Tensor):
            changed[item.name] = content.to(device, non_blocking=non_blocking)
        elif isinstance(content, TreeBatch):
            changed[item.name] = content.to(device)
        elif isinstance(content, TextInputs | ImageInputs | PositionInputs):
            changed[item.name] = _moved(content, device, non_blocking)
    return replace(value, **changed)
