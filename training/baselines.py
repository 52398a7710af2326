"""What must be beaten: the majority class, and a bag of words on the very same records.

Both see the training records only and predict every test record. The bag of words is TF-IDF of words and word pairs
with logistic regression, the strongest simple classifier of long text; it reads the same fields as the model, but no
images.
"""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from docgraph.errors import DataError, needs_extra
from training.datasets.records import Record
from training.metrics import Scores, score

MAJORITY = "majority class"
TFIDF = "TF-IDF + logistic regression"


def baselines(train: Sequence[Record], test: Sequence[Record], labels: Sequence[str]) -> list[Scores]:
    """Train both baselines and score them.

    Args:
        train, test: records whose label is one of `labels`.

    Raises:
        DataError: no training records.
    """
    if not train:
        raise DataError("baselines need training records, but there are none.")
    number = {name: index for index, name in enumerate(labels)}
    learned = [number[str(record.label)] for record in train]
    target = torch.tensor([number[str(record.label)] for record in test])
    scores = [score(MAJORITY, majority(learned, len(test), len(labels)), target, labels)]
    texts = [record.origin.text() for record in train], [record.origin.text() for record in test]
    if len(set(learned)) > 1 and any(text.strip() for text in texts[0]):
        scores.append(score(TFIDF, bag_of_words(texts[0], learned, texts[1], len(labels)), target, labels))
    return scores


def majority(learned: Sequence[int], count: int, labels: int) -> Tensor:
    """Return (count, labels) class frequencies of the training records: the largest is the majority."""
    seen = Counter(learned)
    frequencies = torch.tensor([seen[label] / len(learned) for label in range(labels)])
    return frequencies.expand(count, -1)


def bag_of_words(train: Sequence[str], learned: Sequence[int], test: Sequence[str], labels: int) -> Tensor:
    """Return (len(test), labels) probabilities.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    with needs_extra("the bag-of-words baseline"):
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
    common = 2 if len(train) > 5000 else 1
    pipeline = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=common),
        LogisticRegression(C=10.0, max_iter=1000),
    )
    pipeline.fit(train, learned)
    probabilities = torch.zeros(len(test), labels)
    classes = torch.tensor([int(label) for label in pipeline.classes_])
    probabilities[:, classes] = torch.from_numpy(pipeline.predict_proba(test)).float()
    return probabilities
