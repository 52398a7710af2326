"""Runs of sub-words as entries of a table: each sub-word has its own, longer runs are hashed into buckets.

Source: Joulin et al., "Bag of Tricks for Efficient Text Classification" (arXiv 1607.01759).
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Runs(NamedTuple):
    """A table of entries: `words` sub-words, then, with `ngrams` above 1, `buckets` of longer runs."""

    words: int
    ngrams: int
    buckets: int

    @property
    def entries(self) -> int:
        """V, entries of the table."""
        return self.words + (self.buckets if self.ngrams > 1 else 0)

    def __call__(self, token_id: Tensor, group: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return, by length from 1 to `ngrams`, (T,) the entry of the run that ends at each sub-word, 0 where there is none, and
        (T,) bool whether there is one.

        Args:
            token_id: (T,)
            group: (T,) runs stay within neighbouring sub-words of one group: a pooled leaf, or the text encoded together.
        """
        found = [(token_id, torch.ones_like(token_id, dtype=torch.bool))]
        mixed = token_id
        for back in range(1, self.ngrams):
            before = token_id[: max(len(token_id) - back, 0)]
            mixed = (mixed[1:] + (before + 1) * (2_654_435_761 * (back + 1))) % 2_147_483_647
            real = torch.zeros_like(token_id, dtype=torch.bool)
            real[back:] = group[back:] == group[: len(before)]
            entry = torch.zeros_like(token_id)
            entry[back:] = self.words + mixed % self.buckets
            found.append((torch.where(real, entry, 0), real))
        return found
