"""The wide part of a classifier: a logistic regression on which runs of sub-words stand in a document.

    DocumentBatch ─ runs of 1 to n sub-words, each once a document ─ weights ─> (B, C) logits

A transformer trained from scratch on some thousands of documents cannot learn half a million pairs and triples of words
one by one; a convex regression can (Wang and Manning 2012, "Baselines and Bigrams", aclanthology.org/P12-2018). Both
parts are trained apart and their logits added, so the deep part is not led to leave the easy documents to the wide one.

Source of wide and deep: Cheng et al. 2016, "Wide & Deep Learning for Recommender Systems" (arXiv 1606.07792), there
trained together; adding logits of experts trained apart is Hinton's product of experts (2002).

Axes:  T sub-words   V entries: sub-words, and buckets that their runs are hashed into   B documents   C classes
"""

import torch
from torch import Tensor, nn

from encoders.entries import Regression
from encoders.inputs.encoded import DocumentBatch
from encoders.runs import Runs


class WideText(nn.Module):
    """Logits of a document's entries, set once by `set_regression` and not trained further.

    Args:
        words: size of the sub-word vocabulary.
        ngrams: longest run of sub-words.
        buckets: entries that runs are hashed into.
        classes: C.
    """

    def __init__(self, words: int, ngrams: int, buckets: int, classes: int) -> None:
        super().__init__()
        self.runs = Runs(words, ngrams, buckets)
        self.weight = nn.Embedding(self.runs.entries, classes)
        self.bias = nn.Parameter(torch.zeros(classes), requires_grad=False)
        self.weight.requires_grad_(False)

    @torch.no_grad()
    def set_regression(self, found: Regression) -> None:
        """Take over the weights (V, C) and bias (C,) of a regression on the same entries."""
        self.weight.weight.copy_(found.weight)
        self.bias.copy_(found.bias)

    def forward(self, batch: DocumentBatch) -> Tensor:
        """Return (B, C) logits; a document without text has the bias alone."""
        text = batch.text
        entry = torch.cat([torch.where(real, one, -1) for one, real in self.runs(text.token_id, text.unit)])
        document = batch.leaf_document[text.token_leaf].repeat(self.runs.ngrams)[entry >= 0]
        key = (document * self.runs.entries + entry[entry >= 0]).unique()
        logits = self.bias.repeat(len(batch), 1)
        return logits.index_add(0, key // self.runs.entries, self.weight(key % self.runs.entries))
