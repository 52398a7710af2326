"""N-grams of sub-words: where each stands, what it says about the classes, and a regression on them.

    sub-words ─ NgramTable ─> row of each n-gram
    encoded documents ─ ngrams_of ─> DocumentNgrams ─┬─ class_frequency ─> (C, V) counts
                                                     ├─ known_ngrams ─> those worth a weight
                                                     └─ fit_regression ─> RegressionWeights (V, C), (C,)
    DocumentBatch ─ NgramRegression ─> (B, C) logits, added to a classifier's when it predicts

What an n-gram counts is 1 where a document has it, or with weighting "tfidf" (1 + log of how often) times its rarity,
a document's values scaled to length 1. With "both" it has two weights for each class, one for either.

The regression is logistic, on which n-grams a document has, each scaled by its naive Bayes log ratio for the class: an
n-gram that says little must be worth much to be given a weight. It has one optimum, found by L-BFGS. A transformer
trained from scratch on some thousands of documents cannot learn half a million pairs and triples of words one by one;
this can. Transformer and regression are trained apart and their logits added (Hinton 2002, products of experts), so
that the transformer is not led to leave the easy documents to the regression.

Sources: Joulin et al., "Bag of Tricks for Efficient Text Classification" (arXiv 1607.01759), for hashed n-grams; Wang
and Manning 2012, "Baselines and Bigrams" (aclanthology.org/P12-2018), for the scaling.

Axes:  T sub-words   V rows of the table   n documents   K n-grams of them all   B documents of a batch   C classes
"""

import warnings
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from encoders.inputs.encoded import DocumentBatch, EncodedDocument

MULTIPLIER, MODULUS = 2_654_435_761, 2_147_483_647
"""Of the hash: Knuth's, 2^32 over the golden ratio, and the prime 2^31 - 1. Trained tables depend on both."""


class NgramTable(NamedTuple):
    """A table with a row for each of the `words` sub-words, then, with `longest` above 1,
    `buckets` for longer n-grams; with `MODULUS` of them hardly two n-grams share a row.

    With fewer the hash is the one that trained tables depend on, a weighed sum, in which some triples meet whatever the
    size. With `MODULUS` it is a polynomial, and two of them seldom meet (Carter and Wegman 1979, "Universal classes of
    hash functions"). There a mark stands before each unit of text, so that its n-grams know where a paragraph begins.
    """

    words: int
    longest: int
    buckets: int
    marked: tuple[str, ...] = ()
    """Fields whose n-grams have rows of their own, where the table is exact."""

    @property
    def size(self) -> int:
        """V, rows of the table."""
        return self.words + (self.buckets if self.longest > 1 else 0)

    @property
    def is_exact(self) -> bool:
        """Whether hardly two n-grams share a row."""
        return self.buckets == MODULUS

    def rows(self, token_id: Tensor, group: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return, by length from 1 to `longest`, the row of the n-gram that ends at each sub-word and whether there is
        one.

        Args:
            token_id: (T,)
            group: (T,) n-grams stay within neighbouring sub-words of one group: a pooled leaf, the text encoded
                together, or a document.

        Returns:
            Pairs of (T,) rows, 0 where there is no n-gram, and (T,) bool.
        """
        by_length = [(token_id, torch.ones_like(token_id, dtype=torch.bool))]
        hashed = token_id + 1 if self.is_exact else token_id
        for back in range(1, self.longest):
            before = token_id[: max(len(token_id) - back, 0)]
            if self.is_exact:
                hashed = (hashed[1:] * (MULTIPLIER % MODULUS) + before + 1) % MODULUS
            else:
                hashed = (hashed[1:] + (before + 1) * (MULTIPLIER * (back + 1))) % MODULUS
            exists = torch.zeros_like(token_id, dtype=torch.bool)
            exists[back:] = group[back:] == group[: len(before)]
            row = torch.zeros_like(token_id)
            row[back:] = self.words + hashed % self.buckets
            by_length.append((torch.where(exists, row, 0), exists))
        return by_length

    def occurring(
        self, token_id: Tensor, unit: Tensor, document: Tensor, field: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the row of each n-gram of the texts and its document, both (K,), as often as it stands there.

        Args:
            token_id, unit, document: (T,) sub-words in the order of the texts, and what each is of. Where the table is
                exact n-grams go on from unit to unit of a document, with a mark between; else they stay within one.
            field: (T,) place in `marked` of the field that each is of, -1 for another; None where none is marked.
        """
        group, apart = unit, self.words + 1
        if self.is_exact:
            begins = torch.ones_like(unit, dtype=torch.bool)
            begins[1:] = unit[1:] != unit[:-1]
            place = torch.arange(len(unit), device=unit.device) + begins.cumsum(0)
            marked = token_id.new_full((len(unit) + int(begins.sum()),), self.words)
            group = torch.empty_like(marked)
            marked[place], group[place], group[place[begins] - 1] = token_id, document, document[begins]
            if field is not None:
                marked[place] += apart * (field + 1)
                marked[place[begins] - 1] += apart * (field[begins] + 1)
            token_id, document = marked, group
        (single, _), *longer = self.rows(token_id, group)
        is_word = single % apart < self.words  # a mark alone says nothing
        if field is not None:
            hashed = self.words + single * (MULTIPLIER % MODULUS) % MODULUS
            single = torch.where(single < self.words, single, hashed)
        found = [(single, is_word), *longer]
        return torch.cat([row[exists] for row, exists in found]), torch.cat([document[exists] for _, exists in found])


class DocumentNgrams(NamedTuple):
    """Which n-grams some documents have, each once a document."""

    document: Tensor
    """(K,) ascending."""
    row: Tensor
    """(K,) of the table."""
    documents: int
    table_size: int
    """V."""
    times: Tensor | None = None
    """(K,) how often it stands in its document, where that is known."""


class RegressionWeights(NamedTuple):
    """A logistic regression on n-grams."""

    weight: Tensor
    """(V, C), 0 on average over the classes; 0 for n-grams not seen."""
    bias: Tensor
    """(C,), 0 on average."""


def ngrams_of(table: NgramTable, documents: Iterable[EncodedDocument], *, pooled: bool) -> DocumentNgrams:
    """Return the n-grams of some documents.

    Args:
        pooled: n-grams of a hashed table stay within a leaf, as pooled text leaves look them up; else, and in an exact
            one, as `NgramTable.occurring` says.
    """
    rows, counts = [], []
    for one in documents:
        unit = np.repeat(np.arange(len(one.unit_start) - 1), np.diff(one.unit_start))
        token_id, group = torch.from_numpy(one.token_id), torch.from_numpy(one.token_row if pooled else unit)
        field = torch.from_numpy(one.token_field(table.marked)) if table.marked else None
        row, count = table.occurring(token_id, group, torch.zeros_like(token_id), field)[0].unique(return_counts=True)
        rows.append(row)
        counts.append(count)
    lengths = torch.tensor([len(one) for one in rows], dtype=torch.int64)
    return DocumentNgrams(
        torch.repeat_interleave(torch.arange(len(rows)), lengths),
        torch.cat(rows) if rows else torch.zeros(0, dtype=torch.int64),
        len(rows),
        table.size,
        torch.cat(counts) if counts else torch.zeros(0, dtype=torch.int64),
    )


def known_ngrams(ngrams: DocumentNgrams, words: int, most: int) -> tuple[Tensor, DocumentNgrams]:
    """Return the rows (V,) of the n-grams that are to have weights, ascending, and those n-grams by their place there.

    They are all sub-words, and of the longer n-grams those that two documents have, at most as many as `most`, the most
    frequent ones: one that a single document has fits that document and tells nothing of others.
    """
    assert ngrams.times is not None
    rows, column = ngrams.row.unique(return_inverse=True)
    having = column.bincount(minlength=len(rows))
    is_word = rows < words
    longer = torch.nonzero(~is_word & (having > 1)).squeeze(1)
    if len(longer) > most:
        longer = longer[having[longer].sort(descending=True, stable=True).indices[:most]]
    is_known = is_word.index_fill(0, longer, True)
    place, kept = is_known.cumsum(0) - 1, is_known[column]
    return rows[is_known], DocumentNgrams(
        ngrams.document[kept], place[column[kept]], ngrams.documents, int(is_known.sum()), ngrams.times[kept]
    )


def class_frequency(ngrams: DocumentNgrams, classes: Sequence[int], count: int) -> Tensor:
    """(C, V) how many documents of each of the `count` classes have each n-gram."""
    cell = torch.tensor(classes, dtype=torch.int64)[ngrams.document] * ngrams.table_size + ngrams.row
    return torch.bincount(cell, minlength=count * ngrams.table_size).view(count, ngrams.table_size)


def tfidf(document: Tensor, count: Tensor, rarity: Tensor, documents: int) -> Tensor:
    """Return (K,) what n-grams count: (1 + log of the (K,) count) times rarity, each document's scaled to length 1."""
    value = (1 + count.to(rarity.dtype).log()) * rarity
    squares = value.new_zeros(documents).index_add(0, document, value.square())
    return value / squares.sqrt().clamp(min=1e-12)[document]


def rarity_of(ngrams: DocumentNgrams) -> Tensor:
    """(V,) 1 + log((1 + documents) / (1 + documents that have it)) of each n-gram, as scikit-learn has it."""
    having = torch.bincount(ngrams.row, minlength=ngrams.table_size)
    return 1 + torch.log((1 + ngrams.documents) / (1 + having.float()))


def fit_regression(
    ngrams: DocumentNgrams, classes: Sequence[int], count: int, *, cost: float = 0.05, steps: int = 60
) -> RegressionWeights:
    """Return each n-gram's weight for each of the `count` classes.

    Args:
        cost: of the data, against half the squared length of the weights before scaling.
        steps: of L-BFGS, at most.
    """
    seen, column = ngrams.row.unique(return_inverse=True)
    has = _sparse(ngrams.document, column, ngrams.documents, len(seen))
    by_column = torch.argsort(column, stable=True)
    turned = _sparse(column[by_column], ngrams.document[by_column], len(seen), ngrams.documents)
    target = torch.nn.functional.one_hot(torch.tensor(classes), count).float()
    inside = turned @ target
    outside = inside.sum(1, keepdim=True) - inside
    inside, outside = 1 + inside, 1 + outside
    ratio = torch.log(inside / inside.sum(0)) - torch.log(outside / outside.sum(0))
    weight, bias = torch.zeros(len(seen), count), torch.zeros(count)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=steps, history_size=5, tolerance_grad=1e-4, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        logits = bias + has @ (ratio * weight)
        error = cost * (logits.softmax(1) - target)
        weight.grad = weight + ratio * (turned @ error)
        bias.grad = error.sum(0)
        return weight.square().sum() / 2 - cost * (logits.log_softmax(1) * target).sum()

    optimizer.step(loss)
    scaled = torch.zeros(ngrams.table_size, count)
    scaled[seen] = ratio * weight
    return RegressionWeights(scaled - scaled.mean(1, keepdim=True), bias - bias.mean())


def _sparse(row: Tensor, column: Tensor, rows: int, columns: int) -> Tensor:
    """Return a (rows, columns) matrix in CSR form with ones at the places given, `row` ascending."""
    start = torch.zeros(rows + 1, dtype=torch.int64)
    start[1:] = torch.bincount(row, minlength=rows).cumsum(0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(start, column, torch.ones(len(column)), (rows, columns), check_invariants=True)


class NgramRegression(nn.Module):
    """Logits from the n-grams of a document: weights set once by `set_weights` and not trained further.

    Args:
        known: how many rows of the table have weights, where not all have; `known` then holds them, ascending. Other
            n-grams say nothing, and no weight is shared.
    """

    rarity: Tensor | None
    known: Tensor | None

    def __init__(self, table: NgramTable, classes: int, weighting: str = "binary", known: int = 0) -> None:
        super().__init__()
        self.table = table
        self.weighting = weighting
        size = known or table.size
        self.register_buffer("known", torch.arange(known) if known else None)
        self.register_buffer("rarity", None if weighting == "binary" else torch.ones(size))
        self.weight = nn.Embedding(size, classes * (2 if weighting == "both" else 1))
        self.bias = nn.Parameter(torch.zeros(classes), requires_grad=False)
        self.weight.requires_grad_(False)

    @torch.no_grad()
    def set_weights(self, weights: RegressionWeights) -> None:
        """Take over the weights (V, C) and bias (C,) of a regression on the same rows; with "both" (V, 2 C), those of
        the TF-IDF after the others.
        """
        self.weight.weight.copy_(weights.weight)
        self.bias.copy_(weights.bias)

    def forward(self, batch: DocumentBatch) -> Tensor:
        """Return (B, C) logits; a document without text has the bias alone."""
        text = batch.text
        field = batch.leaf_field(self.table.marked)[text.token_leaf] if self.table.marked else None
        row, document = self.table.occurring(text.token_id, text.unit, batch.leaf_document[text.token_leaf], field)
        if self.known is not None:
            place = torch.searchsorted(self.known, row).clamp(max=len(self.known) - 1)
            is_known = self.known[place] == row
            row, document = place[is_known], document[is_known]
        size = self.weight.num_embeddings
        once, count = (document * size + row).unique(return_counts=True)
        document, row = once // size, once % size
        weight = self.weight(row)
        if self.rarity is not None:
            value = tfidf(document, count, self.rarity[row], len(batch))[:, None]
            plain, by_rarity = weight.chunk(2, 1) if self.weighting == "both" else (0, weight)
            weight = plain + by_rarity * value
        return self.bias.repeat(len(batch), 1).index_add(0, document, weight)
