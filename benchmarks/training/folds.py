"""What benchmarks of several tasks, each in folds, share: where a fold's result lies, and their command line.

--only TASKS ─ run ─> output/results/TASK-FOLD.json ─ collect ─> rows, with those of other tasks recorded before ─>
results/NAME.json and NAME.md
"""

import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from benchmarks.clock import about
from benchmarks.page import DATA, command_line, publish, record, recorded


def result_of(output: Path, task: str, fold: int) -> Path:
    """Return the file of what a fold came to."""
    return output / "results" / f"{task.replace(' ', '-')}-{fold}.json"


def run_tasks(
    name: str,
    text: str,
    tasks: Collection[str],
    run: Callable[[str, Path, Path, float], None],
    collect: Callable[[Path], list[dict[str, Any]]],
    to_markdown: Callable[[dict[str, Any]], str],
) -> None:
    """Run the tasks that the command line asks for, as far as the time goes, and write the page.

    Args:
        name: of the page.
        text: of the help.
        run: trains a task: its name, the data's folder, the runs' folder, when to begin no further fold.
        collect: reads what is done; its rows have a "task" each.
    """
    parser = command_line(text, DATA, runs=f"runs/{name}")
    parser.add_argument("--only", nargs="*", default=list(tasks), choices=list(tasks), help="tasks to train")
    args = parser.parse_args()
    deadline = time.monotonic() + 60 * args.minutes
    for task in args.only:
        run(task, args.data, args.output, deadline)
    page = recorded(name, args.results)
    rows = [{"about": page.get("about"), **row} for row in page.get("rows", [])]
    rows += [{**row, "about": about()} for row in collect(args.output) if row["task"] in args.only]
    found = {"rows": list({row["task"]: row for row in rows}.values())}
    record(name, found, args.results)
    publish(name, to_markdown(found), args.results)
