"""What finished runs of `training.compare` say: which records were right, and which differences are real."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.compare.run import RESULT
from training.evaluation.significance import holm, paired_bootstrap

Right = NDArray[np.bool_]


def result(folder: Path, kind: str, seed: int) -> dict[str, Any] | None:
    """Return what one run of a comparison came to; None if it is not done."""
    file = folder / "runs" / f"{kind}-{seed}" / RESULT
    found: dict[str, Any] | None = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
    return found


def right(folders: Sequence[Path], kind: str, seeds: int) -> Right | None:
    """(S, N) which records were predicted right by the seeds that are done in every folder, folder after folder."""
    runs = [[result(folder, kind, seed) for folder in folders] for seed in range(seeds)]
    done = [[run["right"] for run in found if run is not None] for found in runs]
    done = [found for found in done if len(found) == len(folders)]
    return np.array([np.concatenate(found) for found in done]) if done else None


def differences(pairs: Iterable[tuple[dict[str, Any], Right, Right]]) -> list[dict[str, Any]]:
    """Return how much more often the first of each pair is right, under the pair's names; p adjusted by Holm."""
    found = [{**names, **asdict(paired_bootstrap(one, other))} for names, one, other in pairs]
    return [{**pair, "adjusted_p": p} for pair, p in zip(found, holm([pair["p"] for pair in found]), strict=True)]
