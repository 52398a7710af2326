"""N24News: the paper's Table 2, each field and their combinations, against rivals, for whoever has the data.

    python -m benchmarks.n24news --data N24NEWS --predict           how long each system takes here
    python -m benchmarks.n24news --data N24NEWS --minutes 600       train what fits; the same call goes on
    python -m benchmarks.n24news --data N24NEWS --encoder E5_FOLDER --image-encoder vit_base_patch16_224 \
        --image-weights VIT_FILE                                    with the encoders of the paper

    systems   HSA, flat, none (deep sets), permuted     the same model, encoders frozen, but for the kind of attention
              stacked                                   what `docgraph train` chooses: a sum of parts
              fine-tuned                                flat attention over a text encoder that is trained as well
              tf-idf, nb-lr, minilm                     simple rivals, on the text alone
    fields    each alone, each text with the image, all texts, all five

Every run is a process of its own with its peak memory, and is kept under --output; features of frozen encoders are read
once for all of them. Without --encoder text is read by MiniLM, and images by EfficientNet-Lite0. Writes
benchmarks/results/n24news.md and .json: accuracy and macro-F1 on the test split beside the published figures, and HSA
less each other system by paired bootstrap, p by Holm over the page.

Published: arXiv 2509.15448, Table 2; Wang et al. 2022 (aclanthology.org/2022.lrec-1.729); Zou et al. 2023, UniS-MMC
(arXiv 2305.09299).
"""

import json
import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.clock import about
from benchmarks.page import command_line, made_by, points, publish, record
from benchmarks.training.runs import differences
from training.compare.report import RIVAL_KINDS
from training.compare.worker import RESULT, Result, read_result, run_apart
from training.config import TrainingConfig, parse_setting
from training.datasets import load
from training.evaluation.significance import LEVEL
from training.output.files import write_atomically
from training.output.markdown import table
from training.recipes import recipe

TEXTS: Final = ("headline", "abstract", "caption", "body")
FIELDS: Final[dict[str, list[str]]] = {
    "all five": [*TEXTS, "image"],
    "all texts": [*TEXTS],
    **{name: [name] for name in (*TEXTS, "image")},
    **{f"{name} + image": [name, "image"] for name in TEXTS},
}
ATTENTION: Final = {"HSA": "hsa", "flat": "flat", "none": "none", "permuted": "permuted"}
SYSTEMS: Final = (*ATTENTION, "stacked", "fine-tuned", *RIVAL_KINDS)
PUBLISHED: Final = {
    "all five": "HSA .795 / .809, deep sets .758 / .759 (2509.15448)",
    "all texts": "flat, 512 sub-words .792 / .790 (2509.15448)",
    "headline": "RoBERTa .718 (2305.09299)",
    "abstract": "RoBERTa .797 (2305.09299)",
    "caption": "RoBERTa .729 (2305.09299)",
    "image": "ViT .541 (2305.09299)",
    "headline + image": "ViT + RoBERTa .794 (N24News), .803 (2305.09299)",
    "abstract + image": "ViT + RoBERTa .833 (N24News), .842 (2305.09299)",
    "caption + image": "ViT + RoBERTa .775 (N24News), .781 (2305.09299)",
}
"""Accuracy / macro-F1, with fine-tuned encoders but for 2509.15448's."""
SAMPLE: Final = 400
"""Training records of a prediction."""


def config_of(fields: str, system: str, seed: int, base: Mapping[str, Any]) -> TrainingConfig:
    """Return the configuration of a run; `base` has data and output, and may change any value."""
    names = FIELDS[fields]
    changes: dict[str, Any] = {
        "data_options": {"check_images": False},
        "fields": names,
        "seed": seed,
        "format": "n24news",
    }
    if system in RIVAL_KINDS:
        values = {
            name: value for name, value in base.items() if name in ("data", "output", "feature_cache", "train_share")
        }
        return TrainingConfig().with_values({**changes, **values, "seed": 0})
    chosen = recipe("stacked-pretrained" if system == "stacked" else "news-pretrained")
    if "image" not in names:
        changes |= {"model.image_encoder": None, "model.freeze_image_encoder": False, "image_weights": None}
    if names == ["image"]:
        changes |= {"model.text_encoder": "none", "text_encoder": None, "model.regression_ngrams": 0}
    if system in ATTENTION:
        changes["model.attention"] = ATTENTION[system]
    if system == "fine-tuned":
        changes |= {"model.attention": "flat", "epochs": 3, "learning_rate": 2e-5, "batch_documents": 32}
        changes |= {"model.freeze_text_encoder": False, "model.regression_ngrams": 0}
    known = {name: value for name, value in base.items() if _applies(name, names)}
    return chosen.with_values({**changes, **known})


def _applies(name: str, fields: list[str]) -> bool:
    """Whether a changed value says something where these fields are read."""
    of_image = name in ("image_weights", "model.image_encoder")
    return "image" in fields if of_image else not (name == "text_encoder" and fields == ["image"])


def systems_of(fields: str) -> list[str]:
    """Return the systems that can read these fields."""
    no_text = {"stacked", "fine-tuned", *RIVAL_KINDS} if FIELDS[fields] == ["image"] else set[str]()
    return [system for system in SYSTEMS if system not in no_text]


def result_of(fields: str, system: str, seed: int, base: Mapping[str, Any], *, may_train: bool) -> Result | None:
    """Return what a run came to, trained now if it is not done; None where it may not be."""
    if system in RIVAL_KINDS and seed:
        return None
    folder = Path(str(base["output"])) / f"{fields} {system} {seed}".replace(" ", "_").replace("_+_", "_and_")
    config = config_of(fields, system, seed, {**base, "output": str(folder)})
    if not (folder / RESULT).is_file():
        if not may_train:
            return None
        run_apart(config, system if system in RIVAL_KINDS else "hsa", "test")
    return read_result(config, "test")


def collect(results: Mapping[tuple[str, str], list[Result]]) -> dict[str, Any]:
    """Return rows of the runs that are done, and HSA's difference from each other system."""
    rows, pairs = [], []
    for (fields, system), runs in results.items():
        right = np.array([run.right for run in runs])
        rows.append(
            {
                "fields": fields,
                "system": system,
                "seeds": len(runs),
                "accuracy": float(np.mean([run.accuracy for run in runs])),
                "macro_f1": float(np.mean([run.macro_f1 for run in runs])),
                "seconds": float(np.mean([run.seconds for run in runs])),
                "peak_memory": max(run.peak_memory for run in runs),
            }
        )
        hsa = results.get((fields, "HSA"), [])
        if system != "HSA" and hsa:
            pairs.append(({"fields": fields, "other": system}, np.array([run.right for run in hsa]), right))
    return {"rows": rows, "pairs": differences(pairs), "about": about()}


def to_markdown(found: dict[str, Any]) -> str:
    """Return the table as Markdown."""
    lines = []
    for row in found["rows"]:
        difference = ["", "", ""]
        for pair in found["pairs"]:
            if (pair["fields"], pair["other"]) == (row["fields"], row["system"]):
                mark = " (significant)" if pair["adjusted_p"] < LEVEL else ""
                difference = [*points(pair, 1), f"{pair['adjusted_p']:.4f}{mark}"]
        score = [f"{row['accuracy']:.4f}", f"{row['macro_f1']:.4f}"]
        cost = [f"{row['seconds']:.0f}", f"{row['peak_memory'] / 1e9:.1f}"]
        published = PUBLISHED.get(row["fields"], "") if row["system"] == "HSA" else ""
        lines.append([row["fields"], row["system"], row["seeds"], *score, *difference, *cost, published])
    head = ["fields", "system", "seeds", "accuracy", "macro-F1", "HSA less it, points", "95 % interval", "adjusted p"]
    head += ["training s", "peak GB", "published, accuracy / macro-F1"]
    return "\n\n".join(["# N24News", table(head, lines), made_by(found["about"]), ""])


def reading(data: Path, *, check_images: bool) -> dict[str, float]:
    """Return how long the records take to be read, and the memory that is taken by then."""
    start, used = time.monotonic(), time.process_time()
    corpus = load(data, "n24news", check_images=check_images)
    return {
        "records": sum(map(len, corpus.splits.values())),
        "problems": len(corpus.problems),
        "seconds": time.monotonic() - start,
        "processor_seconds": time.process_time() - used,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }


def predict(base: Mapping[str, Any], chosen: list[str], systems: list[str]) -> str:
    """Return a table of the hours that each run would take on this machine, from one epoch over a few records."""
    sizes = {name: len(some) for name, some in load(str(base["data"]), "n24news", check_images=False).splits.items()}
    share, lines = min(1.0, SAMPLE / sizes["train"]), []
    for fields in chosen:
        for system in (one for one in systems_of(fields) if one in systems and one not in RIVAL_KINDS):
            whole = config_of(fields, system, 0, base)
            start = time.monotonic()
            values = {**base, "train_share": share, "epochs": 1, "feature_cache": None}
            folder = Path(str(base["output"])) / f"predict {fields} {system}".replace(" ", "_")
            run = result_of_sample(fields, system, {**values, "output": str(folder)})
            read = time.monotonic() - start - run.seconds
            # The sample reads all of dev and test beside its share of the training records.
            read *= sum(sizes.values()) / (sum(sizes.values()) - (1 - share) * sizes["train"])
            hours = (read + run.seconds * whole.epochs / share) / 3600
            lines.append([fields, system, f"{hours:.2f}", f"{run.peak_memory / 1e9:.1f}"])
    return table(["fields", "system", "hours here", "peak GB of the sample"], lines)


def result_of_sample(fields: str, system: str, base: Mapping[str, Any]) -> Result:
    """Train on a sample and return what it came to."""
    config = config_of(fields, system, 0, base)
    run_apart(config, "hsa", "test")
    return read_result(config, "test")


def main() -> None:
    parser = command_line(__doc__, Path("n24news"), runs="runs/n24news")
    parser.add_argument("--only", nargs="*", default=list(FIELDS), choices=list(FIELDS), help="fields")
    parser.add_argument("--systems", nargs="*", default=list(SYSTEMS), choices=list(SYSTEMS))
    parser.add_argument("--encoder", help="folder of a transformers model that reads text")
    parser.add_argument("--image-encoder", help="name of a timm model")
    parser.add_argument("--image-weights", help="file of its weights")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="other values of the configuration")
    parser.add_argument("--predict", action="store_true", help="say how long it would take, and train nothing else")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    cache = str((args.output / "features.sqlite").resolve())
    base: dict[str, Any] = {"data": str(args.data), "output": str(args.output), "feature_cache": cache}
    given = {
        "text_encoder": args.encoder,
        "model.image_encoder": args.image_encoder,
        "image_weights": args.image_weights,
    }
    base |= {name: value for name, value in given.items() if value is not None}
    base |= dict(map(parse_setting, args.set))
    if args.predict:
        found = {"headers": reading(args.data, check_images=False), "pictures": reading(args.data, check_images=True)}
        print(json.dumps(found, indent=1))
        said = predict(base, args.only, args.systems)
        write_atomically(args.output / "predicted.md", said + "\n")
        print(said)
        return
    deadline, results, left = time.monotonic() + 60 * args.minutes, dict[tuple[str, str], list[Result]](), 0
    for seed in range(args.seeds):
        for fields in args.only:
            for system in (one for one in systems_of(fields) if one in args.systems):
                found_run = result_of(fields, system, seed, base, may_train=time.monotonic() < deadline)
                if found_run is not None:
                    results.setdefault((fields, system), []).append(found_run)
                    print(f"{fields}, {system}, seed {seed}: {found_run.accuracy:.4f}", flush=True)
                left += found_run is None and not (system in RIVAL_KINDS and seed)
    found = collect(results)
    record("n24news", found, args.results)
    publish("n24news", to_markdown(found), args.results)
    if left:
        print(f"{left} runs are left; the same call goes on.")


if __name__ == "__main__":
    main()
