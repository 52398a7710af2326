"""Split records at random, the same way on every machine, and store how they were split.

A record's place follows from a hash of the seed and its key alone: no random state, no dependence on order. A split
file (JSON: split name -> ids) makes a run repeatable after the data has grown.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from docgraph.errors import DataError
from training.datasets.records import Record
from training.files import write_atomically


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
