"""What a data set holds, in numbers: shown by `docgraph data`, and what a recipe is chosen by.

    Corpus ──describe──> DataFacts: splits, columns, fields with lengths, labels, images, problems, a few records

No torch. Lengths are characters; those of pages and texts in files are bytes. Of long problems each kind is counted
and its first one shown.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import Any, Final

from training.datasets.origins import ArticleOrigin, TextOrigin
from training.datasets.records import Corpus, Record, RecordProblem, unseen_labels

SHOWN: Final = 160
"""Characters of a field shown of a record."""


@dataclass(frozen=True, kw_only=True)
class FieldFacts:
    """One field of the records that have it."""

    records: int
    median: int
    longest: int


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    """What was read of a data set."""

    path: str
    format: str
    records: int
    splits: dict[str, int]
    is_given: bool
    """Whether the data says its splits; else they are drawn at random."""
    columns: dict[str, str]
    """Of a table: column -> what it is read as, "" for what is not read."""
    fields: dict[str, FieldFacts]
    """Those of text; `images` counts the records with an image."""
    characters: int
    images: int
    labels: dict[str, dict[str, int]]
    """Label -> split -> records, the most frequent label first."""
    problems: dict[str, dict[str, Any]]
    """Kind -> "count", and the first's "record" and "message"."""
    examples: tuple[dict[str, Any], ...]


def describe(corpus: Corpus, path: str, format: str, examples: int = 3) -> DataFacts:
    """Return what a data set holds.

    Args:
        examples: records to show, the first of the source.
    """
    records = corpus.records()
    lengths: dict[str, list[int]] = {}
    for record in records:
        for name, length in _lengths(record).items():
            lengths.setdefault(name, []).append(length)
    fields = {
        name: FieldFacts(records=len(some), median=round(median(some)), longest=max(some))
        for name, some in lengths.items()
    }
    problems: dict[str, dict[str, Any]] = {}
    for one in [*corpus.problems, *_problems(corpus)]:
        entry = problems.setdefault(one.code, {"count": 0, "record": one.record, "message": one.message})
        entry["count"] += 1
    return DataFacts(
        path=path,
        format=format,
        records=len(records),
        splits={name: len(some) for name, some in corpus.splits.items()},
        is_given=not corpus.is_drawn,
        columns=dict(corpus.columns),
        fields=fields,
        characters=sum(sum(some) for some in lengths.values()),
        images=sum("image" in record.fields for record in records),
        labels=_labels(corpus),
        problems=dict(sorted(problems.items())),
        examples=tuple(_shown(record) for record in islice(records, examples)),
    )


def _lengths(record: Record) -> dict[str, int]:
    """Return the length of each field of text."""
    if isinstance(record.origin, ArticleOrigin):
        return {name: len(text) for name, text in record.origin.fields}
    return {name: record.characters for name in record.fields if name != "image"}


def _labels(corpus: Corpus) -> dict[str, dict[str, int]]:
    counts = {name: Counter(label for r in some for label in r.names) for name, some in corpus.splits.items()}
    total = sum(counts.values(), Counter[str]())
    return {
        label: {name: some[label] for name, some in counts.items() if some[label]}
        for label, _ in sorted(total.items(), key=lambda one: (-one[1], one[0]))
    }


def _problems(corpus: Corpus) -> list[RecordProblem]:
    """Return what only shows in all records together."""
    found: list[RecordProblem] = []
    labels = corpus.labels or tuple(sorted({name for r in corpus.records() for name in r.names}))
    is_known = "label.column" in corpus.problem_counts
    for records in corpus.splits.values():
        found += [one for one in unseen_labels(records, labels)[1] if not (is_known and one.code == "label.missing")]
    alike: dict[str, str] = {}
    for label in labels:
        if (other := alike.setdefault(label.casefold(), label)) != label:
            found.append(
                RecordProblem("label.alike", label, f"the labels {other!r} and {label!r} differ in case only.")
            )
    for label, counts in _labels(corpus).items() if len(labels) > 1 else ():
        if counts == {"train": 1}:  # one elsewhere is unseen
            said = f"the label {label!r} has one record, which cannot be both learned and tested."
            found.append(RecordProblem("label.rare", label, said))
    return found + _untrainable(corpus) + _repeated(corpus) + _shared(corpus)


def _untrainable(corpus: Corpus) -> list[RecordProblem]:
    """Return why nothing can be learned from the training records, if there are labels."""
    train, found = corpus.splits.get("train", ()), []
    if train and not any(record.fields for record in train):
        found.append(RecordProblem("train.empty", corpus.name, "no training record holds any text or image."))
    names = {name for record in train for name in record.names}
    if len(names) == 1:
        said = f"all {len(train)} training records have" if len(train) > 1 else "the only training record has"
        label = names.pop()
        found.append(RecordProblem("label.one", label, f"{said} the label {label!r}, and two are needed."))
    return found


def _repeated(corpus: Corpus) -> list[RecordProblem]:
    """Return the records without images that have the text of one before, with its label or with another."""
    first: dict[int, Record] = {}
    found: list[RecordProblem] = []
    for record in corpus.records():
        text = None if "image" in record.fields else _text(record)
        if text is None:
            continue
        other = first.setdefault(text, record)
        if other is record:
            continue
        if {*other.names} == {*record.names} and other.value == record.value:
            said = f"this record has the text and the label of {other.id}."
            found.append(RecordProblem("text.repeated", record.id, said))
        elif other.is_labelled and record.is_labelled:
            ours, theirs = (", ".join(one.names) or str(one.value) for one in (record, other))
            said = f"this record has the text of {other.id}, but the label {ours}, not {theirs}."
            found.append(RecordProblem("label.conflict", record.id, said))
    return found


def _shared(corpus: Corpus) -> list[RecordProblem]:
    """Return the records outside the training split whose text a training record has, too."""
    train = {_text(record): record.id for record in corpus.splits.get("train", ())}
    train.pop(None, None)
    return [
        RecordProblem("text.shared", record.id, f"this record of {name} has the text of {train[text]} of train.")
        for name, records in corpus.splits.items()
        if name != "train"
        for record in records
        if (text := _text(record)) in train
    ]


def _text(record: Record) -> int | None:
    """Return a number that stands for a record's text, None where that would have to be parsed or is empty."""
    if isinstance(record.origin, ArticleOrigin | TextOrigin) and record.characters:
        return hash(record.origin.text())
    return None


def _shown(record: Record) -> dict[str, Any]:
    if isinstance(record.origin, ArticleOrigin):
        texts: Sequence[tuple[str, str]] = record.origin.fields
    else:
        texts = [(record.fields[0], record.origin.text())] if record.fields else []
    shown = {name: " ".join(text[: 2 * SHOWN].split()) for name, text in texts}
    shown = {name: text if len(text) <= SHOWN else f"{text[:SHOWN]}…" for name, text in shown.items()}
    images = len(record.origin.images) if isinstance(record.origin, ArticleOrigin) else 0
    label = record.label if record.labels is None else list(record.labels)
    return {
        "id": record.id,
        "label": label if record.value is None else record.value,
        **shown,
        **({"images": images} if images else {}),
    }
