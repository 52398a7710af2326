"""The model card of a run: README.md, with front matter as the hub reads it.

    Evaluation ──note──> evaluations.json ─┐
    training.yaml, scores.json, config.json ┴─ write_card ─> README.md

Training writes it, and every evaluation writes it anew. It names data and encoders by name, never by path. A README.md
that this module did not write is left alone.
"""

import json
import os
from pathlib import Path
from typing import Any, Final

import training.installed

from huggingface_hub import EvalResult, ModelCardData

from encoders.config import DocumentConfig
from training.config import TrainingConfig
from training.datasets.problem_types import MULTI, REGRESSION, SINGLE
from training.evaluation.metrics import Scores
from training.evaluation.significance import accuracy_interval, f1_interval
from training.output.files import write_atomically
from training.output.markdown import table
from training.output.provenance import environment
from training.run_folder import RunFolder

CARD: Final = "README.md"
EVALUATIONS: Final = "evaluations.json"
MARK: Final = "<!-- Written by docgraph from the files of this folder; without this line it is left as it is. -->"
KINDS: Final = {
    "hsa": "hierarchical self-attention over the document's tree (arXiv 2509.15448)",
    "flat": "flat self-attention over all leaves",
    "none": "no attention: means over the tree",
    "permuted": "hierarchical self-attention over a permuted tree",
    "hdt": "each node over its siblings, parent and children, as in HDT (arXiv 2407.08330)",
    "hat": "segment by segment, then across segments, as in HAT (arXiv 2210.05529)",
    "local": "windows of leaves and a global token, as in Longformer (arXiv 2004.05150)",
    "late": "segment by segment, parts pooled at the end",
}


def note(folder: RunFolder, data: str, split: str, scores: Scores, *rivals: Scores) -> None:
    """Add the scores of a split to the run's card, in place of earlier ones of the same split and data.

    Nothing is written where the folder may not be, or holds no run.
    """
    if folder.config is None or not os.access(folder.path, os.W_OK):
        return
    kept = [one for one in evaluations(folder) if (one["data"], one["split"]) != (data, split)]
    kept.append({"data": data, "split": split, "scores": [_line(one) for one in (scores, *rivals)], **environment()})
    del kept[-1]["command"]  # it holds paths
    write_atomically(folder.path / EVALUATIONS, json.dumps(kept, ensure_ascii=False, indent=1) + "\n")
    write_card(folder)


def evaluations(folder: RunFolder) -> list[dict[str, Any]]:
    """Return what was noted."""
    file = folder.path / EVALUATIONS
    values: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    return values


def _line(scores: Scores) -> dict[str, Any]:
    return {
        "name": scores.name,
        "records": scores.count,
        "accuracy": scores.accuracy,
        "accuracy_interval": accuracy_interval(scores.confusion),
        "macro_f1": scores.macro_f1,
        "macro_f1_interval": f1_interval(scores.confusion),
    }


def write_card(folder: RunFolder) -> None:
    """Write README.md from what the folder knows of a finished run."""
    file = folder.path / CARD
    if file.is_file() and MARK not in file.read_text(encoding="utf-8"):
        return
    config, model = folder.config, DocumentConfig.from_pretrained(folder.path)
    assert config is not None
    parts = (_front_matter, _use, _data, _scores, _training, _limits)
    write_atomically(file, "\n\n".join(part(folder, config, model) for part in parts) + f"\n\n{MARK}\n")


def _data_name(config: TrainingConfig) -> str:
    return Path(config.data).resolve().name.split(".")[0]


def _front_matter(folder: RunFolder, config: TrainingConfig, model: DocumentConfig) -> str:
    results = [
        EvalResult(
            task_type="text-classification",
            dataset_type=one["data"],
            dataset_name=one["data"],
            dataset_split=one["split"],
            metric_type=kind,
            metric_value=round(one["scores"][0][name], 4),
        )
        for one in evaluations(folder)
        for kind, name in (("accuracy", "accuracy"), ("f1", "macro_f1"))
    ]
    name = folder.path.resolve().name
    values = ModelCardData(
        library_name="docgraph",
        pipeline_tag="text-classification",
        license="unknown",
        tags=["docgraph", "document-classification", "hierarchical-self-attention"],
        model_name=name,
        eval_results=results or None,
    )
    return f"---\n{values.to_yaml()}\n---\n\n# {name}"


def _use(folder: RunFolder, config: TrainingConfig, model: DocumentConfig) -> str:
    names = list(dict(model.id2label or {}).values())
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    does = {
        MULTI: f"Gives documents any of {len(names)} labels: {shown}.",
        REGRESSION: f"Says of documents a number, {shown}.",
    }.get(model.problem_type or SINGLE, f"Sorts documents into {len(names)} classes: {shown}.")
    imported, call = "from docgraph import load_document", 'model.predict([load_document("page.html")])'
    call += ".labels" if model.problem_type in (None, SINGLE) else "[0]"
    if model.node_kinds:
        does = f"Sorts parts of pages ({', '.join(model.node_kinds)}) into {len(names)} classes: {shown}."
        imported = "from training.evaluate import predict_nodes"
        call = 'predict_nodes(model, "page.html")'
    return f"""{does}

```python
from encoders import DocumentForClassification
{imported}

model = DocumentForClassification.from_pretrained("{folder.path.resolve().name}")  # this folder
print({call})
```

On the command line: `docgraph predict {folder.path.resolve().name} page.html`. \
Both need `pip install "docgraph[train]"`."""


def _data(folder: RunFolder, config: TrainingConfig, model: DocumentConfig) -> str:
    scores = folder.scores
    sizes = ", ".join(f"{count:,} {name}" for name, count in scores["records"].items())
    lines = [
        "## Data",
        f"{_data_name(config)}: {sizes} records. Licence of the data: {config.data_license or 'unknown'}.",
    ]
    if config.train_share < 1:
        lines.append(f"Of the training records, a share of {config.train_share:g} was used.")
    if labels := scores.get("labels"):
        lines.append(table(["label", "training records"], labels.items()))
    return "\n\n".join(lines)


def _scores(folder: RunFolder, config: TrainingConfig, model: DocumentConfig) -> str:
    rows = [
        [
            f"{one['data']}, {one['split']}",
            line["name"],
            f"{line['records']:,}",
            *(_with_interval(line[name], line[f"{name}_interval"]) for name in ("accuracy", "macro_f1")),
        ]
        for one in evaluations(folder)
        for line in one["scores"]
    ]
    if not rows and model.problem_type in (MULTI, REGRESSION):
        best = {name.removeprefix("dev_"): f"{value:.3f}" for name, value in folder.scores.get("best", {}).items()}
        return f"## Scores\n\n{table(['on dev', ''], best.items())}" if best else "## Scores\n\nNone are known."
    if not rows:
        return "## Scores\n\nNone are known: there was no dev split. `docgraph evaluate` adds those of a test split."
    head = ["data", "what", "records", "accuracy", "macro-F1"]
    return f"""## Scores

{table(head, rows)}

In brackets the 95 % interval over records: Wilson's for accuracy, a bootstrap's for macro-F1. They say nothing of other
seeds. The dev split chose the epoch and the scales of the logits, so its figures flatter. `docgraph evaluate` adds test
splits, beside the majority class and a bag of words."""


def _with_interval(value: float, interval: tuple[float, float] | None) -> str:
    return f"{value:.3f}" if interval is None else f"{value:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"


def _training(folder: RunFolder, config: TrainingConfig, model: DocumentConfig) -> str:
    scores, noted = folder.scores, evaluations(folder)
    rows = {
        "attention": KINDS.get(model.attention, model.attention),
        "form of attention": None if model.attention_form == "paper" else model.attention_form,
        "families attended to leaf by leaf": f"{model.attention_near} on each side" if model.attention_near else None,
        "text": _encoder(model.text_encoder, config.text_encoder),
        "images": _encoder(model.image_encoder or "not read", config.image_weights),
        "seed": config.seed,
        "epochs": f"{config.epochs:g}",
        "seconds": None if scores.get("seconds") is None else f"{scores['seconds']:.0f}",
        "versions": ", ".join(f"{name} {number}" for name, number in noted[0]["versions"].items()) if noted else None,
    }
    known = [(name, value) for name, value in rows.items() if value is not None]
    return f"## Training\n\n{table(['', 'value'], known)}\n\nThe whole configuration is in `training.yaml`."


def _encoder(kind: str, weights: str | None) -> str:
    return kind if weights is None else f"{kind}, started from {Path(weights).name}"


def _limits(folder: RunFolder, config: TrainingConfig, model: DocumentConfig) -> str:
    problems = folder.problems()
    lines = [
        "Every document gets one of the classes above, also one that belongs to none of them. "
        "The scores hold for documents like those of the data; nothing is known of others, nor of other languages.",
        f"{len(problems)} records of the data were incomplete or set aside; `problems.jsonl` names them."
        if problems
        else "",
        f"Text past {config.max_tokens:,} sub-words is not read." if config.max_tokens else "",
        "Of pages, the main content alone is read." if config.main_only else "",
        f"Of articles, these fields alone are read: {', '.join(config.fields)}." if config.fields else "",
    ]
    return "## Limits\n\n" + "\n".join(f"* {line}" for line in lines if line)
