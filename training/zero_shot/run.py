"""Open a model and its data, measure conversions of it, print the tables and keep the outcomes."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import training.installed

import numpy as np
from rich.console import Console
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from docgraph.errors import DataError
from encoders import zero_shot
from encoders.zero_shot import Budget, Form, Windows
from training.datasets import load
from training.output.files import claimed
from training.zero_shot.subject import PAPER, PAPER_FORM, Condition, Outcome, Subject
from training.zero_shot.tables import appendix_l, start_layer_conditions, table_3


def measure(
    model: str | Path,
    data: Sequence[str | Path],
    *,
    layers: Sequence[int] | None = None,
    windows: Windows = PAPER,
    form: Form = PAPER_FORM,
    budget: Budget | None = None,
    sweep: bool = False,
    limit: int | None = None,
    max_length: int | None = None,
    batch_size: int = 16,
    output: Path | None = None,
    save: Path | None = None,
    console: Console | None = None,
) -> list[Outcome]:
    """Measure one conversion, or with `sweep` all start layers, on each data set; print tables, write JSON.

    Args:
        layers: 0-based; None is every second one of the later half.
        budget: let `calibrate` choose layers and forms instead, within it, on 12 documents of each data set.
        output: JSON file of all outcomes.
        save: folder for the model as converted for the last data set; `zero_shot.restore` brings that back.
    """
    outcomes: list[Outcome] = []
    with nullcontext() if save is None else claimed(save):
        for path in data:
            subject = open_subject(
                model, path, limit=limit, max_length=max_length, batch_size=batch_size, console=console
            )
            count = len(zero_shot.summary(subject.model).rows)
            outcomes.append(subject.score(Condition("original"), subject.original))
            chosen = tuple(range(count // 2, count, 2)) if layers is None else tuple(layers)
            if sweep:
                sweeps = start_layer_conditions(count, [(f"{windows}; {form}", windows, form)])
                outcomes.extend(subject.measure(condition) for condition in sweeps)
                print(appendix_l([o for o in outcomes if o.data == subject.name]))
            elif budget is not None:
                outcomes.append(calibrated(subject, budget))
            else:
                outcomes.append(subject.measure(Condition(f"{windows}; {form}", chosen, windows, form)))
            if save is not None and path == data[-1]:
                if budget is None:
                    zero_shot.convert(subject.model, chosen, hierarchy=windows, form=form)
                subject.model.save_pretrained(save)
                subject.tokenizer.save_pretrained(save)
    if not sweep:
        print(table_3(outcomes))
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps([asdict(o) for o in outcomes], indent=1), encoding="utf-8")
    return outcomes


def calibrated(subject: Subject, budget: Budget, documents: int = 12) -> Outcome:
    """Choose by `calibrate` on some documents of the data, and measure the choice; the model stays converted."""
    step = max(1, len(subject.batches) // documents)
    some = [{k: v[:1] for k, v in batch.items()} for _, batch in subject.batches[::step]][:documents]
    trimmed = [{k: v[:, : int(b["attention_mask"].sum())] for k, v in b.items()} for b in some]
    choice = zero_shot.calibrate(subject.model, trimmed, budget)
    print(choice)
    condition = Condition("calibrated", tuple(m.layer.index for m in choice.chosen))
    return subject.score(condition, subject.vectors("calibrated"))


def open_subject(
    model: str | Path,
    data: str | Path,
    *,
    limit: int | None = None,
    max_length: int | None = None,
    at_least: int = 0,
    batch_size: int = 16,
    folds: int = 5,
    console: Console | None = None,
) -> Subject:
    """Load a model and a labelled data set.

    Args:
        model: folder or hub name of a transformers text model, with or without a classification head.
        data: anything `docgraph train` reads; all its splits are taken together.
        limit: documents, drawn at random with a fixed seed; None takes all.
        at_least: of these, only documents with so many tokens.
    """
    corpus = load(data)
    records = [r for split in corpus.splits.values() for r in split if r.label is not None]
    if limit is not None and limit < len(records):
        chosen = np.random.default_rng(0).permutation(len(records))[:limit]
        records = [records[i] for i in sorted(chosen)]
    architectures = AutoConfig.from_pretrained(str(model)).architectures or []
    head = any(a.endswith("ForSequenceClassification") for a in architectures)
    auto = AutoModelForSequenceClassification if head else AutoModel
    loaded = auto.from_pretrained(str(model))
    return Subject(
        loaded,
        AutoTokenizer.from_pretrained(str(model)),
        Path(data).name.split(".")[0],
        [r.origin.text() for r in records],
        [str(r.label) for r in records],
        max_length=max_length,
        at_least=at_least,
        batch_size=batch_size,
        folds=folds,
        console=console,
    )


def numbers(text: str) -> list[int]:
    """Read "6,8,10" or "3-5" or both mixed.

    Raises:
        DataError: it is neither.
    """
    values: list[int] = []
    for piece in filter(None, text.replace(" ", "").split(",")):
        first, _, last = piece.partition("-")
        if not first.isdigit() or (last and not last.isdigit()):
            raise DataError(f"numbers must be written as 6,8,10 or 3-5, but are {text!r}.")
        values.extend(range(int(first), int(last or first) + 1))
    return values
