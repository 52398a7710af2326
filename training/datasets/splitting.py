"""Split records at random, the same way on every machine, and store how they were split.

A record's place follows from a hash of the seed and its key alone: no random state, no dependence on order. A split
file (JSON: split name -> ids) makes a run repeatable after the data has grown.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from docgraph.errors import DataError
from training.datasets.cells import is_missing
from training.datasets.records import SPLIT_NAMES, Record
from training.output.files import write_atomically

SHARES: Final = {"train": 0.8, "dev": 0.1, "test": 0.1}
SPLIT_WORDS: Final = {
    **{name: name for name in SPLIT_NAMES},
    "training": "train",
    "validation": "dev",
    "valid": "dev",
    "val": "dev",
    "testing": "test",
}
"""What others call the splits."""


def split_name(word: object) -> str:
    """Return our name of a split; "" for none, any other word as it is."""
    name = "" if is_missing(word) else str(word).strip().lower()
    return SPLIT_WORDS.get(name, name)


def with_splits(
    given: Mapping[str, list[Record]],
    seed: int,
    file: Path | None,
    *,
    dev_share: float = 0.0,
    same: Callable[[Record], str] = lambda record: record.id,
) -> dict[str, list[Record]]:
    """Keep given splits; split records without one at random, or as the split file says.

    Args:
        given: split name -> records, "" for those without a split; these are of "train" where others have one.
        dev_share: share of "train" that becomes "dev" where splits are given and none of them is "dev".
        same: records for which this is the same stay together.
    """
    if set(given) != {""}:
        order = [name for name in SPLIT_NAMES if name in given] + sorted(set(given) - {"", *SPLIT_NAMES})
        splits = {name: list(given[name]) for name in order}
        splits.setdefault("train", []).extend(given.get("", []))
        if dev_share and "dev" not in splits:
            drawn = split_records(splits["train"], {"train": 1 - dev_share, "dev": dev_share}, seed=seed, key=same)
            splits = {"train": drawn["train"], "dev": drawn["dev"], **{n: s for n, s in splits.items() if n != "train"}}
        return splits
    return random_split(given[""], seed, file, same=same)


def random_split(
    records: Sequence[Record], seed: int, file: Path | None, *, same: Callable[[Record], str] = lambda record: record.id
) -> dict[str, list[Record]]:
    """Split 8:1:1 as the split file says; without one at random, and write it if it is named."""
    if file is not None and file.is_file():
        return read_split(file, records)
    splits = split_records(records, SHARES, seed=seed, key=same)
    if file is not None:
        write_split(file, splits)
    return splits


def split_records(
    records: Sequence[Record],
    shares: Mapping[str, float],
    *,
    seed: int,
    key: Callable[[Record], str] = lambda record: record.id,
) -> dict[str, list[Record]]:
    """Split by shares; records with the same key stay together.

    Args:
        shares: split name -> share, the first taking what the others leave.
        key: what must not be in two splits: the record itself, or its film.

    Returns:
        Split name -> records, in their given order. Each split but the first holds whole groups up to its share,
        rounded to the nearest; with at least as many groups as splits none is empty.
    """
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[key(record)].append(record)
    order = sorted(groups, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())
    split_of: dict[str, str] = {}
    names, start = list(shares), 0
    for name in reversed(names[1:]):
        wanted, held = shares[name] * len(records), 0
        while start < len(order):
            size = len(groups[order[start]])
            if held + size / 2 > wanted and (held or len(order) < len(names)):
                break
            split_of[order[start]] = name
            held += size
            start += 1
    split: dict[str, list[Record]] = {name: [] for name in names}
    for record in records:
        split[split_of.get(key(record), names[0])].append(record)
    return split


def take_share(records: Sequence[Record], share: float, *, seed: int = 0) -> list[Record]:
    """Return a share of the records of each label, at least one, in their given order.

    The records of a smaller share are among those of a larger one.
    """
    by_label: dict[str | None, list[Record]] = defaultdict(list)
    for record in records:
        by_label[record.label].append(record)
    taken = set()
    for some in by_label.values():
        some.sort(key=lambda record: hashlib.sha256(f"{seed} {record.id}".encode()).digest())
        taken |= {record.id for record in some[: max(1, round(share * len(some)))]}
    return [record for record in records if record.id in taken]


def write_split(path: Path, splits: Mapping[str, Sequence[Record]]) -> None:
    """Store which record is in which split."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ids = {name: [record.id for record in records] for name, records in splits.items()}
    write_atomically(path, json.dumps(ids, indent=1) + "\n")


def read_split(path: Path, records: Sequence[Record]) -> dict[str, list[Record]]:
    """Split records as a file says.

    Raises:
        DataError: the file is not a split file, or names records that are not there.
    """
    try:
        ids = json.loads(path.read_text(encoding="utf-8"))
        wanted = {name: [str(one) for one in some] for name, some in ids.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise DataError(f"a split file must hold a JSON object of id lists, but {path} does not: {error}.") from error
    by_id = {record.id: record for record in records}
    missing = [one for some in wanted.values() for one in some if one not in by_id]
    if missing:
        raise DataError(
            f"every id of {path} must be in the data, but {len(missing)} are not, such as {missing[0]!r}. "
            "Delete the file to split anew."
        )
    return {name: [by_id[one] for one in some] for name, some in wanted.items()}
