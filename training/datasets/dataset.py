"""Records as a map-style torch data set: documents are made when they are asked for.

DocumentDataset(corpus, "train")[i] -> {"document": Document, "label": 3, "id": "..."}
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import training.installed

from torch.utils.data import Dataset

from training.datasets.records import Corpus, Record, RecordProblem


class DocumentDataset(Dataset[dict[str, Any]]):
    """One split. Records whose label is missing or unknown are set aside, by name, in `problems`."""

    def __init__(self, corpus: Corpus, split: str, labels: Sequence[str] | None = None) -> None:
        """Take the records of a split.

        Args:
            labels: names in the order of their numbers; None for the corpus's own, those of its training records.
        """
        self.split = split
        self.problem_type = corpus.problem_type
        self.node_kinds = corpus.node_kinds
        self.labels = list(corpus.labels if labels is None else labels)
        self.records: list[Record]
        self.problems: list[RecordProblem]
        self.records, self.problems = corpus.known(split, self.labels)
        self._number = {name: number for number, name in enumerate(self.labels)}

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> dict[str, Any]:
        record = self.records[index]
        return {"document": record.document(), "label": self.label_of(index), "id": record.id}

    def label_of(self, index: int) -> Any:
        """Return the number of a record's label without making its document; of several labels 1 or 0 for each there
        is; or the record's value.
        """
        record = self.records[index]
        if record.labels is not None:
            return [float(name in record.labels) for name in self.labels]
        return self._number[str(record.label)] if record.value is None else record.value

    @property
    def counts(self) -> Counter[str]:
        """Records of each label."""
        return Counter(name for record in self.records for name in record.names)
