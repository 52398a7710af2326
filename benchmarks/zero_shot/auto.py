"""What hierarchies lose of softmax attention at what cost: windows, moved windows, and sentences."""

import argparse
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
import transformers

from encoders import TreeBatch
from encoders.zero_shot import Auto, Form, Windows, revert, trees_from_text
from encoders.zero_shot.calibrate import _log_partition, divergence
from encoders.zero_shot.convert import watch
from encoders.zero_shot.layer import Watched
from encoders.zero_shot.moved import moved_windows, moving_cost
from encoders.zero_shot.report import hsa_cost, softmax_cost
from encoders.zero_shot.windows import Hierarchy
from training.datasets import load

LONG = 200
"""Tokens that a document has at least."""
FAR, NEAR, PAPER = Form("queries", 0, "attention"), Form("queries", 1, "attention"), Form()
BRANCHINGS: dict[Form, list[tuple[int, ...]]] = {
    NEAR: [(c, *(b,) * 10) for b in (2, 3, 4) for c in (3, 4, 5, 6, 8, 10, 12, 16, 24, 32)],
    FAR: [(b,) for b in (12, 14, 16, 18, 20, 22, 24, 28, 32, 40)] + [(c, b) for b in (3, 4) for c in (8, 12, 16)],
    PAPER: [(b,) for b in (6, 8, 10, 12, 14, 16, 20, 24, 32)] + [(c, b) for b in (4, 8) for c in (4, 8, 16)],
}
"""Windows tried for each form: near fields want small cells, a single level blocks of some 20."""
MOVED: dict[Form, list[tuple[int, ...]]] = {
    NEAR: [(c, *(2,) * 10) for c in (4, 6, 8)],
    FAR: [(16,), (24,), (16, 4)],
    PAPER: [(16,), (8, 4)],
}


def auto(args: argparse.Namespace) -> dict[str, Any]:
    """Measure every hierarchy on every layer of the model as it is."""
    model = transformers.AutoModel.from_pretrained(str(args.model)).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(args.model))
    rows = []
    for name in args.long_sets:
        table: dict[tuple[str, Form], list[float]] = {}
        for text in texts_of(args, name, tokenizer):
            batch = tokenizer([text], truncation=True, return_offsets_mapping=True, return_tensors="pt")
            sentences = trees_from_text([text], batch.pop("offset_mapping"))
            watch(model, "*", partial(add, table, sentences))
            with torch.no_grad():
                model(**batch)
            revert(model)
        for (hierarchy, form), (gap, cost, choosing, softmax, count) in table.items():
            rows.append({"data": name, "hierarchy": hierarchy, "form": str(form), "gap": gap / count})
            rows[-1] |= {"cost": cost / softmax, "choosing": choosing / softmax}
            print(rows[-1], flush=True)
    key = np.random.default_rng(0).standard_normal((512, 384))
    began = time.perf_counter()
    for _ in range(20):
        moved_windows(key, (16,), np.arange(512))
    return {"rows": rows, "documents": args.forms_documents, "seconds": (time.perf_counter() - began) / 20}


def texts_of(args: argparse.Namespace, name: str, tokenizer: Any) -> Iterator[str]:
    """Some texts of enough tokens, drawn at random with a fixed seed."""
    corpus = load(args.data / f"{name}.jsonl.gz")
    records = [record for split in corpus.splits.values() for record in split]
    found = 0
    for row in np.random.default_rng(2).permutation(len(records)):
        text = records[row].origin.text()
        if found < args.forms_documents and len(tokenizer(text, truncation=True)["input_ids"]) >= LONG:
            found += 1
            yield text


def add(table: dict[tuple[str, Form], list[float]], sentences: TreeBatch, watched: Watched) -> None:
    """Add the gap and the costs of one layer on one document."""
    query, key = (x[0].transpose(0, 1).contiguous() for x in (watched.query, watched.key))
    n, heads, _ = query.shape
    width, ends = watched.layer.original_config.hidden_size, watched.layer.ends
    log_z = _log_partition(query, key, [n], watched.scale, causal=False)
    tried: list[tuple[Hierarchy, TreeBatch, Form]] = []
    for form, branchings in BRANCHINGS.items():
        tried += [(w, w.forest([n], ends), form) for w in (Windows(b, "own") for b in branchings)]
        tried += [(a, a.fit([key.flatten(1)], ends), form) for a in (Auto(b, "own") for b in MOVED[form])]
        tried.append(("given", sentences, form))
    for hierarchy, forest, form in tried:
        gap = divergence(query, key, forest, form, watched.scale, False, log_z).sum().item()
        choosing = moving_cost(n, hierarchy.branching) if isinstance(hierarchy, Auto) else 0
        cost = hsa_cost(forest, hierarchy, form, width, heads).full - choosing
        sums = table.setdefault((str(hierarchy).replace("given", "sentences and paragraphs"), form), [0.0] * 5)
        for i, value in enumerate((gap, cost, choosing, softmax_cost(n, width, heads).full, n * heads)):
            sums[i] += value


def windows_at(rows: list[dict[str, Any]], row: dict[str, Any], cost: float) -> float:
    """Gap of the best windows at that cost, of the data and form of a row: between two that none betters; or NaN."""
    at = [r for r in rows if (r["data"], r["form"]) == (row["data"], row["form"])]
    at = [r for r in at if r["hierarchy"].startswith("windows")]
    at.sort(key=lambda r: r["cost"])
    best = np.minimum.accumulate([r["gap"] for r in at])
    kept = np.append(True, best[1:] < best[:-1])
    costs = np.array([r["cost"] for r in at])[kept]
    return float(np.interp(cost, costs, best[kept], left=np.nan, right=np.nan))
