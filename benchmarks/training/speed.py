"""Where the time of a training step goes, and tokens a second beside a plain padded transformer of equal size.

    python -m benchmarks.training.speed steps   --data ../shared/data
    python -m benchmarks.training.speed padded  --data ../shared/data

"steps" trains three configurations with `training.fit` itself, its functions wrapped by one clock whose parts exclude
each other, and counts whole epochs from their first batch to their last logged step; checkpoints and evaluation lie
outside. The arithmetic is the leaf encoders, the model and attention, the way back and the optimiser; everything
else is overhead: reading and laying out batches, building trees, the loss, clipping, logging, the Trainer's loop.

"padded" trains the same reviews, whole, by `docgraph` (one leaf a token) and by `BertForSequenceClassification`
through the Trainer, batches of like length, padded to their longest: same width, layers, heads, feed-forward,
vocabulary, optimiser, reviews a batch and threads. Tokens are the sub-words of the reviews, padding not counted.

Writes benchmarks/results/training_speed.md and training_speed_{steps,padded}.json.
"""

import argparse
import contextlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from rich.console import Console
from torch.utils.data import Dataset
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_callback import CallbackHandler, PrinterCallback
from transformers.utils import logging as transformers_logging

import encoders.forest.batch
import encoders.layer
import training.trainer
from encoders.classifier import DocumentForClassification
from encoders.inputs.processor import DocumentProcessor
from encoders.leaves.image import ImageLeaves
from encoders.leaves.text import PretrainedTextLeaves, ScratchTextLeaves
from training.batches import Collator
from training.config import TrainingConfig, make_config
from training.datasets import load
from training.fit import Run, fit
from training.provenance import environment, machine
from training.recipes import recipe
from training.shards import write_atomically

RESULTS: Final = Path(__file__).parents[1] / "results"
TOKENS: Final[dict[str, Any]] = {
    "text_leaves": "token",
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "image_encoder": None,
}
ARITHMETIC: Final = ("leaf encoders", "model", "attention", "the way back", "optimiser")
OVERHEAD: Final = ("pictures", "trees", "batching", "loss", "clipping", "logging", "the Trainer's loop")


class Clock:
    """Seconds by part; a part that begins within another stops the other's."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []
        self._parts: dict[str, float] = {}
        self._open: list[str] = []
        self._last = 0.0

    def start(self) -> None:
        """Begin an epoch; what no part claims is the Trainer's loop."""
        self._parts = dict.fromkeys((*ARITHMETIC, *OVERHEAD), 0.0)
        self._open, self._last = [OVERHEAD[-1]], time.perf_counter()

    def stop(self) -> None:
        """End an epoch."""
        self._pass()
        self.epochs.append(self._parts)
        self._open = []

    def _pass(self) -> None:
        now = time.perf_counter()
        self._parts[self._open[-1]] += now - self._last
        self._last = now

    def wrapped(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, timed under `part` while an epoch is on."""

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if not self._open:
                return function(*args, **kwargs)
            self._pass()
            self._open.append(part)
            try:
                return function(*args, **kwargs)
            finally:
                self._pass()
                self._open.pop()

        return timed


@contextlib.contextmanager
def clocked(clock: Clock) -> Iterator[None]:
    """Wrap what a training step calls; everything is put back at the end."""
    import accelerate

    event = CallbackHandler.call_event

    def epochs(self: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "on_epoch_end":
            clock.stop()
        found = logging(self, name, *args, **kwargs)
        if name == "on_epoch_begin":
            clock.start()
        return found

    logging = clock.wrapped("logging", event)
    wrapped = [
        (encoders.forest.batch.TreeBatch, "from_parents", "trees"),
        (encoders.layer, "hierarchical_attention", "attention"),
        (DocumentProcessor, "_prepare_image", "pictures"),
        (Collator, "__call__", "batching"),
        (training.trainer.DocumentTrainer, "compute_loss", "loss"),
        (Trainer, "log", "logging"),
        (Trainer, "_clip_grad_norm", "clipping"),
        (Trainer, "_get_grad_norm", "clipping"),
        (DocumentForClassification, "forward", "model"),
        (ScratchTextLeaves, "forward", "leaf encoders"),
        (PretrainedTextLeaves, "forward", "leaf encoders"),
        (ImageLeaves, "forward", "leaf encoders"),
        (accelerate.Accelerator, "backward", "the way back"),
        (torch.optim.AdamW, "step", "optimiser"),
    ]
    before = [(owner, name, owner.__dict__.get(name)) for owner, name, _ in wrapped]
    for owner, name, part in wrapped:
        function = clock.wrapped(part, getattr(owner, name))
        setattr(owner, name, staticmethod(function) if name == "from_parents" else function)
    CallbackHandler.call_event = epochs
    try:
        yield
    finally:
        CallbackHandler.call_event = event
        for owner, name, plain in before:
            if plain is None:  # it was inherited
                delattr(owner, name)
            else:
                setattr(owner, name, plain)


def some_reviews(data: Path, count: int, folder: Path) -> Path:
    """Write `count` reviews as JSON lines, drawn at random with a fixed seed; return the file."""
    records = load(data / "text" / "imdb_train.jsonl.gz")["train"]
    order = np.random.default_rng(0).permutation(len(records))[:count]
    lines = []
    for place in sorted(order.tolist()):
        one = records[place]
        lines.append({"id": one.id, "label": one.label, "text": one.origin.text(), "split": "train"})
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "reviews.jsonl"
    target.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return target


def step_settings(data: Path, count: int, folder: Path) -> dict[str, TrainingConfig]:
    """Name -> a run of two epochs."""
    reviews = some_reviews(data, count, folder)
    few = some_reviews(data, 160, folder / "few")
    trained = {"model.image_encoder": "test_vit", "model.freeze_image_encoder": False}
    news = {"data": str(data / "html_images" / "openstax"), **trained}
    token = {"batch_documents": 16, "learning_rate": 1e-3, "vocab_size": 8_000, "model": TOKENS}
    runs = {
        "reviews-imdb: sentences, scratch": recipe("reviews-imdb-deep").with_values(
            {"data": str(reviews), "format": "table"}
        ),
        "news-scratch: sentences and a trained ViT": recipe("news-scratch-deep").with_values(news),
        "news-minilm: frozen MiniLM and a trained ViT": recipe("news-minilm").with_values(news),
        "tokens: 4 layers, width 256": make_config(token | {"data": str(few)}),
    }
    return {
        name: config.with_values({"epochs": 2, "output": str(folder / str(place)), "calibrate": False})
        for place, (name, config) in enumerate(runs.items())
    }


def measure_steps(data: Path, only: str | None, reviews: int) -> dict[str, Any]:
    """Return seconds by part for every setting, first epoch and second apart."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, config in step_settings(data, reviews, Path(folder)).items():
            if only is not None and not name.startswith(only):
                continue
            clock = Clock()
            with clocked(clock):
                run = fit(config, Console(quiet=True))
            steps = sum(1 for entry in run.scores["history"] if "loss" in entry)
            found[name] = {"epochs": clock.epochs, "logged": steps, "records": run.scores["records"]["train"]}
            print(name, _share(clock.epochs[-1]), flush=True)
    return found


def _share(parts: dict[str, float]) -> str:
    return f"{sum(parts[name] for name in OVERHEAD) / sum(parts.values()):.1%} overhead"


class _Padded(Dataset[dict[str, Any]]):
    """Reviews as sub-word ids, for the padded model."""

    def __init__(self, ids: list[list[int]], labels: list[int]) -> None:
        self.ids, self.labels = ids, labels

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return {"input_ids": self.ids[place], "labels": self.labels[place]}


class _Timed(TrainerCallback):
    """Seconds and tokens of all steps but the first, which warms up."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.start = self.seconds = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 1:
            self.start = time.perf_counter()
        self.seconds = time.perf_counter() - self.start

    @property
    def speed(self) -> float:
        """Tokens a second."""
        return sum(self.tokens[1:]) / self.seconds


def _pad(items: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    rows = [torch.tensor(item["input_ids"]) for item in items]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "labels": torch.tensor([item["labels"] for item in items]),
    }


def padded_speed(ids: list[list[int]], labels: list[int], words: int, batch: int) -> tuple[float, int]:
    """Train one epoch of the plain padded transformer; return tokens a second and the number of its weights."""
    set_seed(0)
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=words,
            hidden_size=TOKENS["hidden_size"],
            num_hidden_layers=TOKENS["num_hidden_layers"],
            num_attention_heads=TOKENS["num_attention_heads"],
            intermediate_size=TOKENS["intermediate_size"],
            max_position_embeddings=max(map(len, ids)),
            attention_probs_dropout_prob=0.0,  # docgraph has none, and SDPA is slow with it
            num_labels=2,
        )
    )
    timed = _Timed()

    def pad(items: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        batch = _pad(items)
        timed.tokens.append(int(batch["attention_mask"].sum()))
        return batch

    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(
            output_dir=folder,
            num_train_epochs=1,
            per_device_train_batch_size=batch,
            learning_rate=1e-3,
            train_sampling_strategy="group_by_length",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=not torch.cuda.is_available(),
        )
        trainer = Trainer(
            model=model, args=args, train_dataset=_Padded(ids, labels), data_collator=pad, callbacks=[timed]
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return timed.speed, model.num_parameters()


def docgraph_speed(config: TrainingConfig) -> tuple[float, Run]:
    """Train one epoch; return tokens a second and the run."""
    timed = _Timed()
    collate, step_end = Collator.__call__, training.trainer.MarkComplete.on_step_end

    def counting(self: Collator, items: Any) -> dict[str, Any]:
        batch = collate(self, items)
        timed.tokens.append(len(batch["batch"].text.token_id))
        return batch

    Collator.__call__ = counting
    training.trainer.MarkComplete.on_step_end = timed.on_step_end
    try:
        run = fit(config, Console(quiet=True))
    finally:
        Collator.__call__ = collate
        training.trainer.MarkComplete.on_step_end = step_end
    return timed.speed, run


def measure_padded(data: Path, reviews: int, batch: int) -> dict[str, Any]:
    """Return tokens a second of both, on whole reviews and on their first sub-words."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        file = some_reviews(data, reviews, Path(folder))
        for limit in (None, 512, 128):
            values = {
                "data": str(file), "output": f"{folder}/{limit}", "epochs": 1, "batch_documents": batch,
                "learning_rate": 1e-3, "vocab_size": 8_000, "max_tokens": limit, "calibrate": False, "model": TOKENS,
            }  # fmt: skip
            ours, run = docgraph_speed(make_config(values))
            processor = run.model.needs_processor(None)
            records = run.corpus["train"]
            ids = [processor.encode(record.document()).token_id.tolist() for record in records]
            labels = [int(record.label == records[0].label) for record in records]
            theirs, weights = padded_speed(ids, labels, processor.vocab_size, batch)
            rows.append(
                {
                    "limit": limit,
                    "tokens": sum(map(len, ids)),
                    "longest": max(map(len, ids)),
                    "tokens_per_second": {"docgraph": ours, "padded": theirs},
                    "weights": {"docgraph": run.model.num_parameters(), "padded": weights},
                }
            )
            print(limit, rows[-1]["tokens_per_second"], flush=True)
    return {"reviews": reviews, "batch": batch, "rows": rows}


def to_markdown() -> str:
    """Return the page of whatever results are there."""
    lines = ["# Speed of training", ""]
    for kind in ("steps", "padded"):
        file = RESULTS / f"training_speed_{kind}.json"
        if not file.is_file():
            continue
        found = json.loads(file.read_text(encoding="utf-8"))
        lines += _steps_table(found["runs"]) if kind == "steps" else _padded_table(found["runs"])
        about = found["about"]
        lines += [
            "",
            f"`{about['command']}`, {about['date']}, {about['processor']}, {about['cores']} cores, "
            f"{about['threads']} threads, torch {about['versions'].get('torch')}, "
            f"transformers {about['versions'].get('transformers')}.",
            "",
        ]
    return "\n".join(lines)


def _steps_table(runs: dict[str, Any]) -> list[str]:
    lines = ["## Where a training step goes", "", "Share of a warm epoch (the second), in percent.", ""]
    lines += ["| | " + " | ".join(runs) + " |", "| --- |" + " ---: |" * len(runs)]
    for part in (*ARITHMETIC, *OVERHEAD):
        cells = [f"{100 * run['epochs'][-1][part] / sum(run['epochs'][-1].values()):.1f}" for run in runs.values()]
        lines.append(f"| {part} | " + " | ".join(cells) + " |")
    for name, epoch in (("**overhead, warm epoch**", -1), ("overhead, first epoch", 0)):
        cells = [f"{_share(run['epochs'][epoch]).split()[0]}" for run in runs.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    for name, epoch in (("seconds, first epoch", 0), ("seconds, warm epoch", -1)):
        lines.append(
            f"| {name} | " + " | ".join(f"{sum(r['epochs'][epoch].values()):.1f}" for r in runs.values()) + " |"
        )
    return [*lines, "", f"Overhead is: {', '.join(OVERHEAD)}."]


def _padded_table(runs: dict[str, Any]) -> list[str]:
    lines = [
        "## Tokens a second of training, beside a plain padded transformer",
        "",
        f"{runs['reviews']} IMDB reviews, {runs['batch']} a batch, 4 layers, width 256, one leaf a token; the padded model is "
        "`BertForSequenceClassification` (SDPA) under the Trainer, batches by length.",
        "",
        "| sub-words kept of a review | longest | docgraph | padded BERT | ratio | weights |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in runs["rows"]:
        ours, theirs = row["tokens_per_second"]["docgraph"], row["tokens_per_second"]["padded"]
        weights = " / ".join(f"{row['weights'][k] / 1e6:.2f} M" for k in ("docgraph", "padded"))
        lines.append(
            f"| {row['limit'] or 'all'} | {row['longest']} | {ours:,.0f} | {theirs:,.0f} | {ours / theirs:.2f} | {weights} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("steps", "padded", "page"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", help="steps: the setting whose name begins so")
    parser.add_argument("--reviews", type=int, help="how many; 3,000 for steps, 256 for padded")
    parser.add_argument("--batch", type=int, default=16)
    args = parser.parse_args()
    transformers_logging.set_verbosity_error()
    about = {**environment(), **machine()}
    if args.what != "page":
        runs = (
            measure_steps(args.data, args.only, args.reviews or 3_000)
            if args.what == "steps"
            else measure_padded(args.data, args.reviews or 256, args.batch)
        )
        file = RESULTS / f"training_speed_{args.what}.json"
        if args.only is not None and file.is_file():
            runs = json.loads(file.read_text(encoding="utf-8"))["runs"] | runs
        write_atomically(file, json.dumps({"about": about, "runs": runs}, indent=1) + "\n")
    page = to_markdown()
    write_atomically(RESULTS / "training_speed.md", page)
    print(page)


if __name__ == "__main__":
    main()
