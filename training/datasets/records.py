"""A labelled document before it is made, and the splits it belongs to.

    Record = id, label, fields present, and an origin that makes the document when asked (origins.py)
    Corpus = records by split, label names of the training records, problems by name

No torch: readers and the bag-of-words baselines work without it (dataset.py has the torch view).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from docgraph import Document
from docgraph.errors import DataError
from training.datasets.problem_types import SINGLE, ProblemType

SPLIT_NAMES: Final = ("train", "dev", "test")


class Origin(Protocol):
    """Where one document comes from and how to make it. Small, picklable, and without side effects."""

    def document(self) -> Document:
        """Make the document, anew at each call."""
        ...

    def text(self) -> str:
        """Return all text of the document, without images: what a bag of words reads."""
        ...


class RecordProblem(NamedTuple):
    """Something that was missing, broken or set aside."""

    code: str
    """A short constant: "image.missing", "image.unreadable", "body.error_page", "label.unseen", ..."""
    record: str
    """Id of the record it happened in."""
    message: str


@dataclass(frozen=True, slots=True)
class Record:
    """One labelled document, not yet made."""

    id: str
    """Unique in its corpus. It may name a file, so it is never a feature."""
    label: str | None
    """None where the data gives none: it can be predicted, not trained on or evaluated."""
    origin: Origin
    fields: tuple[str, ...]
    """Which fields are there: "headline", "body", "image", ..."""
    characters: int
    """Text length: an estimate of what the record costs before it is made."""
    labels: tuple[str, ...] | None = None
    """All of its labels, perhaps none, where records may have several; `label` is None then."""
    value: float | None = None
    """The number to be predicted, where it is one; `label` is None then."""
    group: str | None = None
    """Records of one group depend on each other, as the nodes of a page: they stay together in splits, folds and
    samples."""

    @property
    def names(self) -> tuple[str, ...]:
        """Its label or labels."""
        return self.labels or (() if self.label is None else (self.label,))

    @property
    def is_labelled(self) -> bool:
        """Whether it is known what is to be predicted."""
        return not (self.label is None and self.labels is None and self.value is None)

    def document(self) -> Document:
        """Make the document."""
        return self.origin.document()


Splits = Mapping[str, Sequence[Record]]


@dataclass(frozen=True)
class Corpus:
    """A data set: records by split, and what was wrong with it."""

    name: str
    splits: Splits
    problems: Sequence[RecordProblem] = ()
    labels: tuple[str, ...] = field(default=())
    """Label names, sorted; those of the training records unless given."""
    problem_type: ProblemType = SINGLE
    """What a record is labelled with."""
    order: Sequence[str] = ()
    """Ids in the order of the source, where splits were drawn from it."""
    is_drawn: bool = False
    """Whether the splits were drawn at random from records without any."""
    node_kinds: tuple[str, ...] = ()
    """Where the records are nodes of pages, of which kinds; see page_nodes.py."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Of a table: column -> what it is read as ("label", "body", "id", ...), "" for what is not read."""

    def __post_init__(self) -> None:
        ids = [record.id for records in self.splits.values() for record in records]
        if len(ids) != len(set(ids)):
            twice = [name for name, count in Counter(ids).items() if count > 1]
            raise DataError(
                f"every record of {self.name} must have its own id, but {len(twice)} ids come twice, "
                f"such as {twice[0]!r}."
            )
        if not self.labels:
            train = self.splits.get("train", ())
            object.__setattr__(self, "labels", tuple(sorted({name for r in train for name in r.names})))

    def __getitem__(self, split: str) -> Sequence[Record]:
        """Return the records of a split.

        Raises:
            DataError: there is no such split.
        """
        if split not in self.splits:
            raise DataError(f"the splits of {self.name} are {', '.join(self.splits)}, but {split!r} was asked for.")
        return self.splits[split]

    def scored(self, split: str) -> str:
        """Return the split that stands for another in an evaluation: dev where there is no test."""
        return "dev" if split == "test" and "test" not in self.splits else split

    def learned(self, splits: Iterable[str], labels: Sequence[str]) -> list[Record]:
        """Return the records of some splits, of those that are there, whose labels are among some."""
        return unseen_labels([record for one in splits for record in self.splits.get(one, ())], labels)[0]

    def known(self, split: str, labels: Sequence[str]) -> tuple[list[Record], list[RecordProblem]]:
        """Return the records of a split whose labels are among some, and the problems of all its records.

        Raises:
            DataError: there is no such split.
        """
        known, unseen = unseen_labels(self[split], labels)
        ids = {record.id for record in self[split]}
        return known, [problem for problem in self.problems if problem.record in ids] + unseen

    def records(self) -> list[Record]:
        """Return all records in the order of their source."""
        records = [record for some in self.splits.values() for record in some]
        place = {name: number for number, name in enumerate(self.order)}
        return sorted(records, key=lambda record: place.get(record.id, 0))

    @property
    def problem_counts(self) -> Counter[str]:
        """How often each kind of problem was met."""
        return Counter(problem.code for problem in self.problems)

    def summary(self) -> str:
        """Return what is there in a few lines: counts by split, labels, problems with one example each."""
        sizes = ", ".join(f"{len(records)} {name}" for name, records in self.splits.items())
        lines = [f"{self.name}: {sizes}; {len(self.labels)} labels"]
        for code, count in sorted(self.problem_counts.items()):
            first = next(problem for problem in self.problems if problem.code == code)
            lines.append(f"  {code}: {count}, such as {first.record}: {first.message}")
        return "\n".join(lines)


def unseen_labels(records: Iterable[Record], labels: Sequence[str]) -> tuple[list[Record], list[RecordProblem]]:
    """Split records into those whose label is known and problems for the others.

    A record without a label is passed over too, under "label.missing": nothing can be said about its prediction. Of one
    with several each must be known.
    """
    known, problems, names = [], [], set(labels)
    for record in records:
        if not record.is_labelled:
            problems.append(RecordProblem("label.missing", record.id, "the record has no label."))
        elif unknown := [name for name in record.names if name not in names]:
            message = f"the label {unknown[0]!r} is not one of the {len(labels)} that were trained: {_some(labels)}."
            problems.append(RecordProblem("label.unseen", record.id, message))
        else:
            known.append(record)
    return known, problems


def class_numbers(records: Iterable[Record], labels: Sequence[str]) -> list[int]:
    """Return the number of each record's label."""
    number = {label: place for place, label in enumerate(labels)}
    return [number[str(record.label)] for record in records]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


class UniqueNames:
    """Hands out ids: the second record that is called "a" becomes "a#2"."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def __call__(self, name: str) -> str:
        """Return the name, with a number if it was given before."""
        self._seen[name] += 1
        return name if self._seen[name] == 1 else f"{name}#{self._seen[name]}"


def resolve(path: str | Path) -> Path:
    """Return an existing path.

    Raises:
        DataError: there is nothing there.
    """
    found = Path(path).expanduser()
    if not found.exists():
        raise DataError(f"the data must be a file or folder, but there is nothing at {found}.")
    return found
