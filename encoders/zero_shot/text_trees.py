"""Hierarchies from what a text means: its sentences and paragraphs, or the nodes of a parsed Document.

    encoding = tokenizer(texts, padding=True, return_offsets_mapping=True, return_tensors="pt")
    tree = trees_from_text(texts, encoding.pop("offset_mapping"), encoding["attention_mask"])
    model(**encoding, hsa_tree=tree)

Each token goes where its first character is, so tokenizers of any kind will do. Tokens without characters at the two
ends, `[CLS]` and `[SEP]`, are children of the root, or of the block beside them.

Axes:  B sequences   n positions, padding included   R nodes of one text
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from docgraph import Document
from docgraph.errors import TreeError
from docgraph.sentences import sentence_spans
from encoders.forest.batch import TreeBatch
from encoders.forest.families import Index
from encoders.zero_shot.windows import SpecialTokens

BLANK_LINE = re.compile(r"\n[^\S\n]*\n\s*")


def trees_from_text(
    texts: Sequence[str], offsets: Any, mask: Any = None, *, special_tokens: SpecialTokens = "own"
) -> TreeBatch:
    """Return a tree of paragraphs, sentences and tokens for each text.

    Args:
        texts: what was tokenized. Blank lines part paragraphs.
        offsets: (B, n, 2) first character of each token and the one after its last: `offset_mapping`.
        mask: (B, n) nonzero at unpadded positions; None: nothing is padded.
        special_tokens: "own" makes tokens without characters at the ends children of the root, "inside" puts
            them beside their neighbours.

    Raises:
        TreeError: there is not one row of offsets for each text.
    """
    return _forest([_paragraphs(text) for text in texts], offsets, mask, special_tokens)


def trees_from_documents(
    documents: Sequence[Document], offsets: Any, mask: Any = None, *, special_tokens: SpecialTokens = "own"
) -> TreeBatch:
    """Return the tree of each document with its tokens as leaves; nodes without a token are left out.

    Args:
        documents: what was tokenized is `document.text`.
        offsets, mask, special_tokens: see `trees_from_text`.
    """
    trees = [(d.parent.astype(np.int64), d.span[:, 0].astype(np.int64), _innermost(d)) for d in documents]
    return _forest([(parent, start[rows], rows) for parent, start, rows in trees], offsets, mask, special_tokens)


Blocks = tuple[Index, Index, Index]
"""Parent of each node (R,), root first; first characters of the innermost blocks, ascending; their rows."""


def _paragraphs(text: str) -> Blocks:
    """Root, paragraphs and sentences of a text."""
    starts = np.array([start for start, _ in sentence_spans(text)], dtype=np.int64)
    breaks = np.array([match.end() for match in BLANK_LINE.finditer(text)], dtype=np.int64)
    _, paragraph = np.unique(np.searchsorted(breaks, starts, side="right"), return_inverse=True)
    paragraphs = int(paragraph.max()) + 1 if len(starts) else 0
    parent = np.concatenate([[-1], np.zeros(paragraphs, dtype=np.int64), 1 + paragraph])
    return parent, starts, np.arange(1 + paragraphs, len(parent))


def _innermost(document: Document) -> Index:
    """Rows of the leaves of a document that have text, in the order of their text."""
    has_children = np.zeros(len(document), dtype=np.bool_)
    has_children[document.parent[document.parent >= 0]] = True
    rows = np.flatnonzero(~has_children & (document.span[:, 1] > document.span[:, 0]))
    return rows[np.argsort(document.span[rows, 0], kind="stable")]


def _forest(blocks: Sequence[Blocks], offsets: Any, mask: Any, special_tokens: SpecialTokens) -> TreeBatch:
    rows = [_array(row) for row in offsets]
    masks = [np.ones(len(row), dtype=np.bool_) for row in rows] if mask is None else [_array(m) != 0 for m in mask]
    if len(rows) != len(blocks) or len(masks) != len(blocks):
        raise TreeError(
            f"offsets and mask must have one row for each of the {len(blocks)} texts, "
            f"but have {len(rows)} and {len(masks)}."
        )
    parents: list[Index] = []
    leaves: list[NDArray[np.bool_]] = []
    first = 0
    for (parent, starts, inner), row, seen in zip(blocks, rows, masks, strict=True):
        tokens = _block_of_tokens(starts, inner, row[seen].reshape(-1, 2), special_tokens)
        whole = np.concatenate([parent, tokens])
        parents.append(np.where(whole < 0, -1, whole + first))
        leaves.append(np.arange(len(whole)) >= len(parent))
        first += len(whole)
    return TreeBatch.from_parents(np.concatenate(parents), is_leaf=np.concatenate(leaves))


def _block_of_tokens(starts: Index, inner: Index, offsets: Index, special_tokens: SpecialTokens) -> Index:
    """Return the row of the block of each token."""
    root = np.zeros(len(offsets), dtype=np.int64)
    real = np.flatnonzero(offsets[:, 1] > offsets[:, 0])
    if not len(inner) or not len(real):
        return root
    block = np.zeros(len(offsets), dtype=np.int64)
    block[real] = inner[np.maximum(np.searchsorted(starts, offsets[real, 0], side="right") - 1, 0)]
    # A token without characters stays with the token before it, and at the beginning with the first.
    before = np.maximum.accumulate(np.where(offsets[:, 1] > offsets[:, 0], np.arange(len(offsets)), -1))
    block = block[np.where(before < 0, real[0], before)]
    if special_tokens == "own":
        block[: real[0]] = 0
        block[real[-1] + 1 :] = 0
    return block


def _array(values: Any) -> Index:
    array: Index = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, dtype=np.int64)
    return array
