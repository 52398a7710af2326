"""Write what an evaluation found: a page, JSON or Markdown.

    Evaluation ──write_report(path)──> .html (one file, figures inside), .json (everything) or .md

The three say the same: scores beside those of the baselines, every class, examples, the surest mistakes, what was set
aside, and what made them (versions, command, data). The page has figures, too: report_figures.py.
"""

import html
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import training.installed

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from docgraph.errors import DataError
from training.datasets.records import RecordProblem
from training.evaluation.metrics import Scores
from training.evaluation.predictions import RecordPrediction
from training.evaluation.report_figures import MOST_CLASSES, confusion, learning_curve, reliability
from training.evaluation.significance import NamedDifference, figures
from training.output import files
from training.output.html_page import html_page, image_tag
from training.output.markdown import table
from training.output.provenance import environment, told

SUFFIXES: Final = (".html", ".json", ".md")
MISTAKES: Final = 20
CONFUSION: Final = "Confusion matrix"
MISTAKEN: Final = "Surest mistakes"
BY_LABEL: Final = ("Classes", "Examples")
"""Tables with a row a label: of many labels a page shows those that are predicted worst, and folds the rest."""
SHOWN: Final = 20


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A model on a split of a data set."""

    model: str
    """Where the model lies."""
    data: str
    split: str
    labels: tuple[str, ...]
    scores: Scores
    baselines: tuple[Scores, ...]
    predictions: tuple[RecordPrediction, ...]
    problems: tuple[RecordProblem, ...] = ()
    pairs: tuple[NamedDifference, ...] = ()
    """How far the model is from each rival."""
    levels: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Where labels are paths: level -> "paths", how many there are, and "accuracy" of the model and each rival."""
    history: tuple[Mapping[str, Any], ...] = ()
    """Loss and dev scores by epoch, of the model's training."""
    notes: tuple[str, ...] = ()
    """What else is to be said of the model, a sentence each."""
    about: dict[str, Any] = field(default_factory=environment)

    @property
    def mistakes(self) -> list[RecordPrediction]:
        """Wrong predictions, the surest first."""
        wrong = [one for one in self.predictions if one.label is not None and one.predicted != one.label]
        return sorted(wrong, key=lambda one: (-one.probability, one.id))

    @property
    def said(self) -> list[str]:
        """How the model stands to the best rival, in a sentence, and the notes."""
        best = max(self.pairs, key=lambda pair: -pair.value, default=None)
        return [*([] if best is None else [_stands(best, self)]), *self.notes]


def _stands(pair: NamedDifference, evaluation: Evaluation) -> str:
    how = ("above" if pair.value > 0 else "below") if pair.significant else "not significantly above"
    loss = min((one.log_loss, one.name) for one in evaluation.baselines)
    return (
        f"This model is {'significantly ' * pair.significant}{how} the best simple rival, {pair.other}: "
        f"{100 * pair.value:+.1f} points ({100 * pair.low:+.1f} to {100 * pair.high:+.1f}). "
        f"Log loss {evaluation.scores.log_loss:.3f}; the least of the rivals has {loss[0]:.3f} ({loss[1]})."
    )


def write_report(path: str | Path, evaluation: Evaluation, views: Mapping[str, str] | None = None) -> Path:
    """Write a report in the format that the suffix names.

    Args:
        views: pages that an HTML report links records to, by their ids: `views.write_views`.

    Raises:
        DataError: another suffix than `SUFFIXES`.
    """
    target = Path(path)
    writers: dict[str, Callable[[Evaluation], str]] = {
        ".html": partial(to_html, views=views),
        ".json": to_json,
        ".md": to_markdown,
    }
    if target.suffix not in writers:
        raise DataError(f"a report must end in {', '.join(SUFFIXES)}, but is {target.name!r}.")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(writers[target.suffix](evaluation), encoding="utf-8")
    return target


def print_evaluation(evaluation: Evaluation, console: Console | None = None, only: Sequence[str] | None = None) -> None:
    """Print the report's tables to a terminal, or only those of some titles."""
    console = console or Console(width=None if sys.stdout.isatty() else 120)
    for title, head, rows in _tables(evaluation):
        if only is not None and title not in only:
            continue
        table = Table(*head, title=title, title_justify="left", box=SIMPLE)
        table.columns[0].no_wrap = True
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        console.print(table)
    for line in evaluation.said if only is None else ():
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def to_json(evaluation: Evaluation) -> str:
    """Return everything as JSON."""
    return files.to_json(asdict(evaluation))


def to_markdown(evaluation: Evaluation) -> str:
    """Return the report as Markdown."""
    lines = [f"# {_title(evaluation)}", ""]
    for one in evaluation.said:
        lines += [one, ""]
    for title, head, rows in _tables(evaluation):
        lines += [f"## {title}", "", table(head, rows), ""]
    lines += ["## Made by", "", *(f"* {name}: {value}" for name, value in told(evaluation.about)), ""]
    return "\n".join(lines)


def to_html(evaluation: Evaluation, views: Mapping[str, str] | None = None) -> str:
    """Return the report as one HTML file that needs nothing else; mistakes are links where they have a view."""

    def cell(text: str, title: str) -> str:
        link = (views or {}).get(text) if title.startswith((MISTAKEN, "Examples")) else None
        words = html.escape(text)
        return f"<td>{words}</td>" if link is None else f'<td><a href="{html.escape(link)}">{words}</a></td>'

    curve = learning_curve(evaluation.history)
    images = {
        CONFUSION: confusion(evaluation.scores),
        "Reliability": reliability(evaluation.predictions),
        **({} if curve is None else {"Learning curve": curve}),
    }
    by_f1 = sorted(evaluation.scores.classes, key=lambda one: (not one.count, one.f1))
    many = len(by_f1) > MOST_CLASSES
    few = f"<p>The {MOST_CLASSES} labels of the most frequent confusions, of {len(by_f1)}.</p>" if many else ""
    worst = {one.label: place for place, one in enumerate(by_f1)}
    parts = [f"<h1>{html.escape(_title(evaluation))}</h1>"]
    parts += [f"<p>{html.escape(one)}</p>" for one in evaluation.said]
    for title, head, rows in _tables(evaluation):
        heads = "".join(f"<th>{html.escape(name)}</th>" for name in head)
        lines = ["<tr>" + "".join(cell(c, title) for c in row) + "</tr>" for row in rows]
        parts.append(f"<h2>{title}</h2>")
        if title in BY_LABEL and len(rows) > MOST_CLASSES:
            first = [
                line for _, line in sorted(zip(rows, lines, strict=True), key=lambda one: worst[one[0][0]])[:SHOWN]
            ]
            parts += [f"<p>The {SHOWN} labels of the lowest F1, of {len(rows)}.</p>", _table_tag(heads, first)]
            parts.append(f"<details><summary>All {len(rows)} labels</summary>{_table_tag(heads, lines)}</details>")
        else:
            parts.append(_table_tag(heads, lines))
        if title == "Classes":
            parts += [
                f"<h2>{name}</h2>{few if name == CONFUSION else ''}{image_tag(image, name.lower())}"
                for name, image in images.items()
            ]
    made = "".join(f"<li>{html.escape(f'{name}: {value}')}</li>" for name, value in told(evaluation.about))
    parts.append(f"<h2>Made by</h2><ul>{made}</ul>")
    return html_page(_title(evaluation), "\n".join(parts))


def _table_tag(heads: str, lines: Sequence[str]) -> str:
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _title(evaluation: Evaluation) -> str:
    return f"{evaluation.model} on {evaluation.data} ({evaluation.split})"


def _tables(evaluation: Evaluation) -> Iterable[tuple[str, list[str], list[list[str]]]]:
    """Yield title, head and rows of every table."""
    head = ["", "accuracy", "± s.e.", "macro-F1", "log loss", "calib. err.", "records"]
    rows = [
        [
            s.name,
            *(f"{x:.3f}" for x in (s.accuracy, s.standard_error, s.macro_f1, s.log_loss, s.calibration_error)),
            str(s.count),
        ]
        for s in (evaluation.scores, *evaluation.baselines)
    ]
    yield "Scores", head, rows
    if evaluation.levels:
        head = ["level", "paths", *(one.name for one in (evaluation.scores, *evaluation.baselines))]
        yield (
            "Accuracy above the last level",
            head,
            [
                [str(level), str(one["paths"]), *(f"{value:.3f}" for value in one["accuracy"].values())]
                for level, one in evaluation.levels.items()
            ],
        )
    if evaluation.pairs:
        head = ["this model less", "points", "95 % interval", "adjusted p", ""]
        yield "Differences in accuracy", head, [[pair.other, *figures(pair)] for pair in evaluation.pairs]
    head = ["label", "precision", "recall", "F1", "records"]
    yield (
        "Classes",
        head,
        [
            [c.label, f"{c.precision:.3f}", f"{c.recall:.3f}", f"{c.f1:.3f}", str(c.count)]
            for c in evaluation.scores.classes
        ],
    )
    yield "Examples", ["label", "surest right", "surest missed", "taken for"], _example_rows(evaluation)
    if mistakes := evaluation.mistakes:
        rows = [[one.id, str(one.label), one.predicted, f"{one.probability:.3f}"] for one in mistakes[:MISTAKES]]
        yield (f"{MISTAKEN} ({len(mistakes)} in all)", ["record", "label", "predicted", "probability"], rows)
    if evaluation.problems:
        yield "Set aside or missing", ["what", "how often", "such as", ""], _problem_rows(evaluation.problems)


def _example_rows(evaluation: Evaluation) -> list[list[str]]:
    rows, missed = [], {one.label: one for one in reversed(evaluation.mistakes)}
    for label in evaluation.labels:
        right = [one for one in evaluation.predictions if one.label == one.predicted == label]
        best = max(right, key=lambda one: one.probability, default=None)
        wrong = missed.get(label)
        if best or wrong:
            taken = "" if wrong is None else f"{wrong.predicted} {wrong.probability:.3f}"
            surest = "" if best is None else f"{best.id} ({best.probability:.3f})"
            rows.append([label, surest, "" if wrong is None else wrong.id, taken])
    return rows


def _problem_rows(problems: Sequence[RecordProblem]) -> list[list[str]]:
    first = {problem.code: problem for problem in reversed(problems)}
    counts = Counter(problem.code for problem in problems)
    return [[code, str(n), first[code].record, first[code].message] for code, n in sorted(counts.items())]
