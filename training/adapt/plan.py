"""Which pairs are learned, which are held out, and which are learned together.

    pairs ─ split ─> train | dev | test, by site or folder where there are enough of them, else by document
    train ─ batches ─> lists of pairs, no two of which may answer each other

A batch holds pairs of a few documents: each target is a wrong answer to the other queries, those of its own page (the
sibling sections) and of its own site among them. So near negatives cost nothing.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Final

from docgraph.errors import DataError
from docgraph.pairs import Pair

HELD_OUT: Final = 0.1
"""Share of the pairs that dev and test have, at least, each."""
LARGEST: Final = 0.25
"""Share that a site or folder may have where whole ones are held out."""
RUN: Final = 4
"""Documents of one group that are learned side by side."""
OPEN: Final = 24
"""Batches that are filled at once."""


@dataclass(frozen=True)
class Splits:
    """Pairs of three sets of documents."""

    train: list[Pair]
    dev: list[Pair]
    test: list[Pair]
    by: str
    """What was held out whole: "folders or sites", or "documents"."""


def split(pairs: Sequence[Pair], seed: int) -> Splits:
    """Hold out groups for dev and test; documents, where a group is too large or there are too few of them.

    Raises:
        DataError: there are too few documents.
    """
    sizes = Counter(pair.group for pair in pairs)
    by_group = len(sizes) >= 1 / LARGEST and max(sizes.values()) <= LARGEST * len(pairs)
    units: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        units[pair.group if by_group else pair.document].append(pair)
    names = sorted(units)
    random.Random(seed).shuffle(names)
    parts: dict[str, list[Pair]] = {"test": [], "dev": [], "train": []}
    for name in names:
        some = next((part for key, part in parts.items() if key != "train" and len(part) < HELD_OUT * len(pairs)), None)
        (parts["train"] if some is None else some).extend(units[name])
    if min(map(len, parts.values())) < 2:
        raise DataError(
            f"adapting needs pages for training, for stopping and for the test, but {len(pairs)} pairs of {len(units)} "
            "documents cannot be parted so. Add pages that have headings and paragraphs."
        )
    return Splits(parts["train"], parts["dev"], parts["test"], "folders or sites" if by_group else "documents")


def balanced(pairs: Sequence[Pair], most: int, seed: int) -> list[Pair]:
    """Return at most so many pairs, as equally many of each kind as there are."""
    chance = random.Random(seed)
    by_kind: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_kind[pair.kind].append(pair)
    for some in by_kind.values():
        chance.shuffle(some)
    turns = [one for turn in zip_longest(*(by_kind[kind] for kind in sorted(by_kind))) for one in turn if one]
    return turns[:most]


def batches(pairs: Sequence[Pair], size: int, epochs: int, seed: int) -> list[list[Pair]]:
    """Return the batches of all epochs. A kind has at most as many pairs in an epoch as all others together."""
    chance = random.Random(seed)
    made: list[list[Pair]] = []
    for _ in range(epochs):
        made += _packed(_ordered(_evened(pairs, chance), chance), size)
    return made


def _evened(pairs: Sequence[Pair], chance: random.Random) -> list[Pair]:
    """Return all pairs but some of a kind that is more than half of them."""
    (kind, count), *_ = Counter(pair.kind for pair in pairs).most_common(1)
    others = len(pairs) - count
    if not 0 < others < count:
        return list(pairs)
    kept = set(chance.sample([n for n, pair in enumerate(pairs) if pair.kind == kind], others))
    return [pair for n, pair in enumerate(pairs) if pair.kind != kind or n in kept]


def _ordered(pairs: Sequence[Pair], chance: random.Random) -> Iterator[Pair]:
    """Yield pairs by document, in random order, some documents of a group side by side."""
    documents: dict[str, list[Pair]] = defaultdict(list)
    groups: dict[str, list[str]] = defaultdict(list)
    for pair in pairs:
        if pair.document not in documents:
            groups[pair.group].append(pair.document)
        documents[pair.document].append(pair)
    runs: list[list[str]] = []
    for names in groups.values():
        chance.shuffle(names)
        runs += [names[start : start + RUN] for start in range(0, len(names), RUN)]
    chance.shuffle(runs)
    for run in runs:
        some = [pair for name in run for pair in documents[name]]
        chance.shuffle(some)
        yield from some


def _packed(pairs: Iterator[Pair], size: int) -> list[list[Pair]]:
    """Put each pair into the first open batch that has no pair which may answer it; what stays alone is left out."""
    made: list[list[Pair]] = []
    opened: list[_Batch] = []
    for pair in pairs:
        batch = next((one for one in opened if one.takes(pair)), None)
        if batch is None:
            batch = _Batch()
            opened.append(batch)
        batch.add(pair)
        if len(batch.pairs) == size or len(opened) > OPEN:
            full = max(opened, key=lambda one: len(one.pairs))
            opened.remove(full)
            made.append(full.pairs)
    made += [one.pairs for one in opened]
    return [one for one in made if len(one) > 1]


@dataclass
class _Batch:
    pairs: list[Pair] = field(default_factory=list)
    texts: set[str] = field(default_factory=set)
    documents: dict[str, list[Pair]] = field(default_factory=lambda: defaultdict(list))

    def takes(self, pair: Pair) -> bool:
        """Whether no pair in it may answer the other, or asks the same."""
        return self.texts.isdisjoint((pair.query, pair.target)) and not any(
            pair.overlaps(other) for other in self.documents[pair.document]
        )

    def add(self, pair: Pair) -> None:
        self.pairs.append(pair)
        self.texts.update((pair.query, pair.target))
        self.documents[pair.document].append(pair)
