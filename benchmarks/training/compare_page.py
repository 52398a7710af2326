"""All comparisons in one table: what the README and benchmarks/results/compare.md show.

    python -m benchmarks.training.compare_page

Reads benchmarks/results/compare_*/comparison.json, which `docgraph compare` wrote, and prints one row a comparison: the
accuracy of every kind of attention and of the bag of words, and HSA's differences from flat and from TF-IDF with their
95 % intervals; a star marks the significant ones (Holm's adjusted p within the row's own comparison below 0.05).
"""

import json
from typing import Any, Final

from benchmarks.page import RESULTS, points
from training.compare.run import KINDS
from training.output.markdown import table

BAG: Final = "tf-idf"
COLUMNS: Final = (*KINDS, BAG)


def row(name: str, found: dict[str, Any]) -> list[str]:
    """Return one comparison as the cells of a row."""
    by_kind = {one["kind"]: one for one in found["rows"]}
    cells = [name.removeprefix("compare_").replace("_", " "), f"{found['records']} ({found['split']})"]
    for kind in COLUMNS:
        one = by_kind.get(kind)
        half = "" if one is None or one["accuracy_half_width"] is None else f" ± {one['accuracy_half_width']:.3f}"
        cells.append("" if one is None else f"{one['accuracy']:.4f}{half}")
    seeds = {len(one["seeds"]) for kind, one in by_kind.items() if kind in KINDS}
    cells.append("-".join(map(str, sorted({min(seeds), max(seeds)}))))
    pairs = {(one["one"], one["other"]): one for one in found["pairs"]}
    for other in ("flat", BAG):
        pair = pairs.get(("hsa", other))
        cells.append("" if pair is None else "{} ({})".format(*points(pair, 1)) + " *" * pair["significant"])
    return cells


def main() -> None:
    files = sorted(RESULTS.glob("compare_*/comparison.json"))
    rows = [row(file.parent.name, json.loads(file.read_text(encoding="utf-8"))) for file in files]
    head = ["data", "scored records", *COLUMNS, "seeds", "HSA − flat, points", f"HSA − {BAG}, points"]
    print(table(head, rows))


if __name__ == "__main__":
    main()
