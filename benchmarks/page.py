"""Result pages: where they lie and what they are made of.

docstring ─ command_line ─> parser          records ─ output.markdown.table ─> Markdown, then made_by as its last line
publish ─> results/NAME.json and .md          recorded ─> what an earlier call left in results/NAME.json
"""

import argparse
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from training.output.files import write_atomically

ROOT: Final = Path(__file__).resolve().parents[1]
RESULTS: Final = ROOT / "benchmarks" / "results"
DATA: Final = Path(os.environ.get("DOCGRAPH_DATA", ROOT.parent / "shared" / "data"))
"""The larger data, which is not part of the repository."""

Found = dict[str, Any]
_SAID: Final = {
    "command": "`{}`", "date": "{}", "machine": "{}", "processor": "{}", "device": "{}", "cores": "{} cores",
    "threads": "{} threads",
}  # fmt: skip


def command_line(text: str, data: Path = DATA, runs: str | None = None) -> argparse.ArgumentParser:
    """Return a parser with `--data` and `--results`; with `runs`, a folder, also what a benchmark that trains takes.

    Such a benchmark may be stopped: runs that are done are kept, and the same call goes on.
    """
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=data, help="default: %(default)s")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="folder that the page is written to; default: %(default)s"
    )
    if runs is not None:
        parser.add_argument("--output", type=Path, default=Path(runs), help="folder of runs; default: %(default)s")
        parser.add_argument("--seeds", type=int, default=1)
        parser.add_argument("--minutes", type=float, default=1e9, help="start no further run after so long")
    return parser


def recorded(name: str, results: Path) -> Found:
    """Return what results/NAME.json holds; nothing if it is not there."""
    file = results / f"{name}.json"
    found: Found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return found


def record(name: str, found: Found, results: Path) -> None:
    """Write results/NAME.json."""
    results.mkdir(parents=True, exist_ok=True)
    write_atomically(results / f"{name}.json", json.dumps(found, indent=1) + "\n")


def publish(name: str, text: str, results: Path) -> None:
    """Write results/NAME.md, and print it."""
    write_atomically(results / f"{name}.md", text)
    print(text)


def made_by(about: Mapping[str, Any]) -> str:
    """Return the line that says what made a result, from `clock.about`; older records lack some of it."""
    said = []
    for name, value in about.items():
        if isinstance(value, Mapping):
            said += [f"{key} {one}" for key, one in value.items()]
        else:
            said.append(_SAID.get(name, f"{name} {{}}").format(value))
    return f"{', '.join(said)}."


def made_by_each(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return a list that says of each row's "task" what made it, from its "about"."""
    return "\n".join(f"* {row['task']}: {made_by(row['about'])}" for row in rows)


def points(difference: Mapping[str, float], digits: int = 2) -> tuple[str, str]:
    """Return a difference of accuracies and its interval, in points."""
    value, low, high = (f"{100 * difference[name]:+.{digits}f}" for name in ("value", "low", "high"))
    return value, f"{low} to {high}"
