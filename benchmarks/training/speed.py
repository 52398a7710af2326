"""Speed of training: where the time of a step goes, and tokens a second beside a padded transformer of equal size.

    python -m benchmarks.training.speed steps
    python -m benchmarks.training.speed padded

"steps" trains four configurations with `training.fit` itself and counts whole epochs from their first batch to their
last logged step (`steps.py`). The arithmetic is the leaf encoders, the model and attention, the way back and the
optimiser; everything else is overhead: reading and laying out batches, the loss, clipping, logging, the Trainer's loop.

"padded" trains the same reviews, whole, by `docgraph` (one leaf a token) and by `BertForSequenceClassification`
through the Trainer, batches of like length, padded to their longest (`padded.py`): same width, layers, heads,
feed-forward, vocabulary, optimiser, reviews a batch and threads. Tokens are the sub-words of the reviews.

Writes benchmarks/results/training_speed.md and training_speed_{steps,padded}.json.
"""

from pathlib import Path
from typing import Any

from transformers.utils import logging as transformers_logging

from benchmarks.clock import about
from benchmarks.page import command_line, made_by, publish, record, recorded
from benchmarks.training.padded import measure_padded
from benchmarks.training.steps import ARITHMETIC, measure_steps, overhead
from training.output.markdown import table


def to_markdown(results: Path) -> str:
    """Return the page of whatever results are there."""
    parts = ["# Speed of training"]
    for kind, describe in (("steps", _steps), ("padded", _padded)):
        if found := recorded(f"training_speed_{kind}", results):
            parts += [*describe(found["runs"]), made_by(found["about"])]
    return "\n\n".join([*parts, ""])


def _steps(runs: dict[str, Any]) -> list[str]:
    warm = [run["epochs"][-1] for run in runs.values()]
    first = [run["epochs"][0] for run in runs.values()]
    parts = list(dict.fromkeys([*ARITHMETIC, *(part for epoch in warm for part in epoch)]))
    rows = [[part, *(f"{100 * epoch.get(part, 0.0) / sum(epoch.values()):.1f}" for epoch in warm)] for part in parts]
    for name, epochs in (("warm epoch", warm), ("first epoch", first)):
        rows.append([f"**overhead, {name}**", *(f"{overhead(epoch):.1%}" for epoch in epochs)])
        rows.append([f"seconds, {name}", *(f"{sum(epoch.values()):.1f}" for epoch in epochs)])
    return [
        "## Where a training step goes",
        "Share of a warm epoch (the second), in percent.",
        table(["", *runs], rows),
        f"Overhead is: {', '.join(part for part in parts if part not in ARITHMETIC)}.",
    ]


def _padded(runs: dict[str, Any]) -> list[str]:
    rows = []
    for row in runs["rows"]:
        ours, theirs = row["tokens_per_second"]["docgraph"], row["tokens_per_second"]["padded"]
        weights = " / ".join(f"{row['weights'][k] / 1e6:.2f} M" for k in ("docgraph", "padded"))
        speeds = f"{ours:,.0f}", f"{theirs:,.0f}", f"{ours / theirs:.2f}"
        rows.append([row["limit"] or "all", row["longest"], *speeds, weights])
    return [
        "## Tokens a second of training, beside a plain padded transformer",
        f"{runs['reviews']} IMDB reviews, {runs['batch']} a batch, 4 layers, width 256, one leaf a token; the padded "
        "model is `BertForSequenceClassification` (SDPA) under the Trainer, batches by length.",
        table(["sub-words kept of a review", "longest", "docgraph", "padded BERT", "ratio", "weights"], rows),
    ]


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("what", choices=("steps", "padded", "page"))
    parser.add_argument("--only", help="steps: the setting whose name begins so")
    parser.add_argument("--reviews", type=int, help="how many; 3,000 for steps, 256 for padded")
    parser.add_argument("--batch", type=int, default=16)
    args = parser.parse_args()
    transformers_logging.set_verbosity_error()
    if args.what != "page":
        name, made = f"training_speed_{args.what}", about()
        if args.what == "steps":
            before = recorded(name, args.results).get("runs", {}) if args.only else {}
            runs = before | measure_steps(args.data, args.only, args.reviews or 3_000)
        else:
            runs = measure_padded(args.data, args.reviews or 256, args.batch)
        record(name, {"about": made, "runs": runs}, args.results)
    publish("training_speed", to_markdown(args.results), args.results)


if __name__ == "__main__":
    main()
