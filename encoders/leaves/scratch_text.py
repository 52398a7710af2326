"""Text to leaves by sub-word embeddings that are trained with the model.

    TextInputs (sub-words, each tied to its leaf) ─ embed ─ pool, or not ─ project
        ─> (leaves with text, D), among all leaves

A leaf is a sub-word, or with `pooled` a whole sentence, heading or cell: the weighted mean of its n-grams.

Axes:  T sub-words   N leaves of the batch   L leaves with text   V rows of the n-gram table   C classes   D model width
"""

import torch
from torch import Tensor, nn

from encoders.inputs.encoded import TextInputs
from encoders.leaves.pooling import mean_embedding, weighted_mean
from encoders.ngrams import NgramTable

EVIDENCE_DOCUMENTS = 60
"""Documents of no evidence that are counted with each n-gram's own; see `ScratchTextLeaves.set_evidence`."""


class ScratchTextLeaves(nn.Module):
    """Sub-word embeddings trained with the model.

    A pooled leaf is a weighted mean of its sub-words: each has a learned weight exp(w), which starts at its inverse
    document frequency where `set_frequencies` was called, else at 1. With `ngrams` above 1, n-grams of up to that many
    sub-words have embeddings too, hashed into buckets: more members of a pooled leaf's mean, or added to the sub-word
    that an n-gram ends with.

    `set_evidence` starts embeddings from class counts, `set_weights` from a regression; see ngrams.py.

    Sources: Joulin et al., "Bag of Tricks for Efficient Text Classification" (arXiv 1607.01759), for hashed n-grams;
    Wang and Manning 2012, "Baselines and Bigrams" (aclanthology.org/P12-2018),
    for log ratios of class counts as features.
    """

    def __init__(
        self,
        words: int,
        embedding_size: int,
        hidden_size: int,
        dropout: float,
        *,
        pooled: bool,
        ngrams: int = 1,
        buckets: int = 131_072,
    ) -> None:
        super().__init__()
        self.table = NgramTable(words, ngrams, buckets)
        self.dropout = dropout
        self.embed = nn.Embedding(self.table.size, embedding_size)
        self.weight = nn.Embedding(self.table.size, 1) if pooled else None
        self.project = nn.Identity() if embedding_size == hidden_size else nn.Linear(embedding_size, hidden_size)
        self.norm = nn.LayerNorm(hidden_size)

    @torch.no_grad()
    def set_frequencies(self, document_frequency: Tensor, documents: int) -> None:
        """Start each n-gram's weight at its inverse document frequency, log((1 + documents) / (1 + frequency)).

        Args:
            document_frequency: (V,) in how many of the `documents` each sub-word (and bucket) is found.
        """
        if self.weight is not None:
            rarity = torch.log((1 + documents) / (1 + document_frequency.float()))
            self.weight.weight[: len(rarity), 0] = torch.log(rarity.clamp(min=0.05))

    @torch.no_grad()
    def set_evidence(self, class_frequency: Tensor, class_documents: Tensor) -> None:
        """Add to each embedding what its n-gram says about the classes, in directions drawn at random.

        An n-gram's evidence for class c is log(P(c | n-gram) / P(c)), less its mean over classes; P(c | n-gram) is
        counted with `EVIDENCE_DOCUMENTS` more documents that have the classes' shares, so rare n-grams say little.
        With two classes it comes to the naive Bayes log ratio along one direction of length 1.

        Args:
            class_frequency: (C, V) in how many documents of each class each sub-word (and bucket) is found.
            class_documents: (C,) documents of each class, at least 1.
        """
        share = (class_documents / class_documents.sum()).float()[:, None]
        count = class_frequency.float()
        likely = (count + EVIDENCE_DOCUMENTS * share) / ((count.sum(0) + EVIDENCE_DOCUMENTS) * share)
        evidence = torch.log(likely)
        self._add((evidence - evidence.mean(0)).T)

    @torch.no_grad()
    def set_weights(self, weight: Tensor) -> None:
        """Add to each embedding its n-gram's weights for the classes, (V, C), in directions drawn at random.

        Weights are scaled to a mean length of 1/2 over the n-grams that have any, about that of strong evidence.
        """
        length = weight.norm(dim=1)
        mean = length.sum() / (length > 0).sum().clamp(min=1)
        self._add(weight / mean.clamp(min=1e-6) / 8**0.5)

    def _add(self, said: Tensor) -> None:
        """Add (V, C) to the embeddings, a direction for each class."""
        width = self.embed.embedding_dim
        directions = torch.linalg.qr(torch.randn(max(said.shape[1], width), width))[0][: said.shape[1]]
        self.embed.weight += 2**0.5 * said.to(self.embed.weight) @ directions.to(self.embed.weight)

    def freeze(self) -> None:
        """Train neither embeddings nor their weights; the projection goes on learning."""
        self.embed.requires_grad_(False)
        if self.weight is not None:
            self.weight.requires_grad_(False)

    def names(self, token_id: Tensor) -> Tensor:
        """(K, longest) sub-words of field names, -1 for none -> (K, E) their mean embedding."""
        if len(token_id) == 0:  # not even a gradient of zeros, which would have the whole table's size
            return self.embed.weight.new_zeros(0, self.embed.embedding_dim)
        return mean_embedding(self.embed, token_id)

    def forward(self, inputs: TextInputs, leaves: int) -> Tensor:
        """Return (N, D): rows of leaves without text are 0."""
        ngrams = self.table.rows(inputs.token_id, inputs.token_leaf if self.weight is not None else inputs.unit)
        leaf = inputs.token_leaf
        if self.weight is None:
            states = torch.stack([self._dropped(self.embed(row) * exists[:, None]) for row, exists in ngrams]).sum(0)
        else:
            # One look-up: each would give a gradient of the whole table's size.
            rows = torch.cat([row for row, _ in ngrams])
            states = self.embed(rows)
            weight = self.weight(rows).clamp(-10, 10).exp() * torch.cat([exists for _, exists in ngrams])[:, None]
            leaf, states = weighted_mean(states, self._dropped(weight), leaf.repeat(len(ngrams)))
        tokens = self.norm(self.project(states))
        placed = torch.zeros(leaves, tokens.shape[1], dtype=tokens.dtype, device=tokens.device)
        return placed.index_copy(0, leaf, tokens)

    def _dropped(self, values: Tensor) -> Tensor:
        """Set whole rows to zero by chance in training."""
        if not self.training or self.dropout <= 0:
            return values
        keep = torch.rand(len(values), 1, device=values.device) >= self.dropout
        return values * keep.to(values.dtype)
