"""The table of a comparison: Markdown, JSON, a chart and a web page that say the same.

    Comparison ──write_comparison(folder)──> comparison.md  comparison.json  comparison.png  comparison.html

A difference is called significant only where Holm's adjusted p, over all pairs of the table, is below 0.05.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import training.installed

from markdown_it import MarkdownIt

from training.evaluation.baselines import MINILM, NB_WEIGHTED, TFIDF
from training.evaluation.significance import NamedDifference, figures
from training.output.figures import new_figure, png
from training.output.files import write_atomically
from training.output.html_page import html_page, image_tag
from training.output.markdown import table
from training.output.provenance import environment, machine, told

RIVAL_KINDS: Final = {"tf-idf": TFIDF, "nb-lr": NB_WEIGHTED, "minilm": MINILM}
"""The simple rivals of a comparison, and their names in evaluation/baselines.py."""
COLOURS: Final = {
    "hsa": "tab:blue", "flat": "tab:orange", "none": "tab:green", "permuted": "tab:red",
    "hdt": "tab:purple", "hat": "tab:brown", "local": "tab:pink", "late": "tab:olive",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class KindScores:
    """One kind of attention over its seeds."""

    kind: str
    seeds: tuple[int, ...]
    accuracies: tuple[float, ...]
    """By seed."""
    accuracy: float
    accuracy_half_width: float | None
    """Of Student's 95 % interval over seeds; None for a single seed."""
    macro_f1: float
    macro_f1_half_width: float | None
    parameters: int
    seconds: float
    """Of training, mean over seeds."""
    peak_memory: int
    """Bytes, the most of any seed."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What a comparison found."""

    config: dict[str, Any]
    split: str
    """The split that was scored: dev where there is no test split."""
    records: int
    rows: tuple[KindScores, ...]
    pairs: tuple[NamedDifference, ...]
    runs_left: int = 0
    """Runs that were not started for want of time."""
    about: dict[str, Any] = field(default_factory=lambda: {**environment(), **machine()})

    def pair(self, one: str, other: str) -> NamedDifference:
        """Return the pair of two kinds, as `one` less `other`.

        Raises:
            KeyError: it was not compared.
        """
        for pair in self.pairs:
            if (pair.one, pair.other) == (one, other):
                return pair
        raise KeyError((one, other))


def write_comparison(folder: Path, comparison: Comparison) -> None:
    """Write the four files."""
    folder.mkdir(parents=True, exist_ok=True)
    values = asdict(comparison)
    for pair, written in zip(comparison.pairs, values["pairs"], strict=True):
        written["significant"] = pair.significant
    write_atomically(folder / "comparison.json", json.dumps(values, ensure_ascii=False, indent=1) + "\n")
    text, image = to_markdown(comparison), chart(comparison)
    write_atomically(folder / "comparison.md", text)
    (folder / "comparison.png").write_bytes(image)
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    title = text.partition("\n")[0].removeprefix("# ")
    write_atomically(folder / "comparison.html", html_page(title, body + image_tag(image, "accuracy by kind")))


def to_markdown(comparison: Comparison) -> str:
    """Return the table, the differences, and what made them."""
    config = comparison.config
    lines = [
        f"# {Path(config['data']).name}: {comparison.records} records of the {comparison.split} split",
        "",
        table(
            ["attention", "accuracy", "macro-F1", "seeds", "parameters", "training s", "peak memory MB"],
            map(_kind_cells, comparison.rows),
        ),
        "",
        "± is the 95 % interval over seeds (Student's t); a single seed has none.",
        "",
    ]
    if comparison.split == "dev":
        lines += [
            "The dev split also chose each run's epoch and fitted the scales of its logits, "
            "so all figures but the simple rivals' flatter a little.",
            "",
        ]
    lines += [
        "Differences in accuracy, paired bootstrap over records and seeds (10,000 samples), 95 % interval; "
        "p adjusted by Holm over the pairs of this table:",
        "",
        table(
            ["pair", "difference, points", "95 % interval", "p", "adjusted p", ""], map(_pair_cells, comparison.pairs)
        ),
        "",
        verdict(comparison),
        "",
        *([said, ""] if (said := rivals_verdict(comparison)) else []),
        *([_left(comparison.runs_left), ""] if comparison.runs_left else []),
        "Made by:",
        "",
        *(f"* {name}: {value}" for name, value in told(comparison.about)),
        "",
    ]
    return "\n".join(lines)


def _left(runs: int) -> str:
    return f"{runs} planned run{' is' if runs == 1 else 's are'} not in this table: the same command goes on with them."


def verdict(comparison: Comparison) -> str:
    """Say in words which differences are significant."""
    if all(row.kind in RIVAL_KINDS for row in comparison.rows):
        return "No kind of attention was run yet: the time was too short. Type the same command again to go on."
    real = [pair for pair in comparison.pairs if pair.significant]
    if not real:
        return "No difference in this table is significant."
    said = [
        f"{pair.one} {'above' if pair.value > 0 else 'below'} {pair.other} by {abs(100 * pair.value):.1f} points"
        for pair in real
    ]
    return "Significant: " + "; ".join(said) + ". All other differences are not."


def rivals_verdict(comparison: Comparison) -> str:
    """Say in words which kinds of attention are not significantly above the best of the simple rivals."""
    rivals = [row for row in comparison.rows if row.kind in RIVAL_KINDS]
    if len(rivals) in (0, len(comparison.rows)):
        return ""
    best = max(rivals, key=lambda row: row.accuracy)
    level = [pair for pair in comparison.pairs if pair.other == best.kind and not (pair.significant and pair.value > 0)]
    if not level:
        return f"The best simple rival is {best.kind}; all kinds of attention are significantly above it."
    return f"Not significantly above the best simple rival, {best.kind}: " + ", ".join(
        f"{pair.one} ({100 * pair.value:+.1f} points)" for pair in level
    )


def chart(comparison: Comparison) -> bytes:
    """Return accuracy by kind as PNG: the mean, its interval over seeds, every seed a point.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = new_figure(5.2, 0.9 + 0.5 * len(comparison.rows))
    axes = figure.add_subplot()
    for place, row in enumerate(reversed(comparison.rows)):
        colour = COLOURS.get(row.kind, "grey")
        axes.errorbar([row.accuracy], [place], xerr=row.accuracy_half_width, fmt="D", capsize=4, color=colour)
        axes.plot(row.accuracies, [place] * len(row.accuracies), "o", color=colour, alpha=0.4, markersize=5)
    axes.set_yticks(range(len(comparison.rows)), [row.kind for row in reversed(comparison.rows)])
    axes.set_ylim(-0.6, len(comparison.rows) - 0.4)
    axes.set_xlabel(f"accuracy, {comparison.records} records of {Path(comparison.config['data']).name}")
    axes.grid(axis="x", alpha=0.3)
    return png(figure)


def _with_width(value: float, half_width: float | None) -> str:
    return f"{value:.4f}" if half_width is None else f"{value:.4f} ± {half_width:.4f}"


def _kind_cells(row: KindScores) -> list[str]:
    return [
        row.kind,
        _with_width(row.accuracy, row.accuracy_half_width),
        _with_width(row.macro_f1, row.macro_f1_half_width),
        str(len(row.seeds)),
        f"{row.parameters:,}" if row.parameters else "",
        f"{row.seconds:.0f}",
        f"{row.peak_memory / 1e6:.0f}",
    ]


def _pair_cells(pair: NamedDifference) -> list[str]:
    value, interval, *rest = figures(pair)
    return [f"{pair.one} − {pair.other}", value, interval, f"{pair.p:.4f}", *rest]
