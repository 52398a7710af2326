"""Two processes train as one does, with copies of the weights (DDP) and with weights spread over both (FSDP2).

A step of two processes with a batch each is a step of one process with two batches. The processes meet different
things on purpose: one has no picture, and one has more text than the other,
so that it runs its text encoder more often.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from rich.console import Console

from docgraph import parse_text
from encoders.build import build_classifier
from encoders.sharding import layers_to_shard
from tests.training_runs import dev_logit_parts, flip_some_labels, tiny, weights, write_table
from training.fit import fit
from training.learning.new_model import document_config

STILL = {f"model.{name}": 0 for name in ("hidden_dropout_prob", "text_dropout_prob", "classifier_dropout_prob")}
SMALL_WINDOWS = """
import sys
import encoders.leaves.pretrained_text
encoders.leaves.pretrained_text.WINDOW_TOKENS = 24
from training.fit import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve records, one of them with a picture and one with five times the text."""
    folder = tmp_path_factory.mktemp("data")
    Image.new("RGB", (40, 30), (9, 200, 30)).save(folder / "one.png")
    file = write_table(folder / "pets.jsonl", 12)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    rows[2]["image"] = "one.png"
    rows[3]["text"] = "\n\n".join([rows[3]["text"]] * 5)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def run_two(file: Path, *settings: str) -> None:
    """Train with two gloo processes, in groups of few sub-words."""
    script = file.with_suffix(".py")
    script.write_text(SMALL_WINDOWS)
    root = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    ran = subprocess.run(
        [*launch, str(script), str(file), *settings],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        capture_output=True,
        timeout=400,
    )
    assert ran.returncode == 0, ran.stderr.decode()[-4000:]


def curve(folder: Path) -> list[tuple[str, float]]:
    """Return all logged losses and gradient norms of a run."""
    history = json.loads((folder / "scores.json").read_text())["history"]
    return [(name, entry[name]) for entry in history for name in ("loss", "grad_norm", "eval_loss") if name in entry]


def assert_one_curve(one: Path, two: Path) -> None:
    left, right = curve(one), curve(two)
    assert [name for name, _ in left] == [name for name, _ in right]
    assert len(left) >= 6
    for (name, want), (_, got) in zip(left, right, strict=True):
        assert got == pytest.approx(want, rel=2e-3), (name, left, right)


@pytest.mark.parametrize("shard", [False, True])
def test_two_processes_train_as_one_does(data: Path, random_bert: Path, tmp_path: Path, shard: bool) -> None:
    changes: dict[str, Any] = {
        **STILL,
        "model.image_encoder": "test_vit",
        "model.image_size": 32,
        "model.text_encoder": "pretrained",
        "model.freeze_text_encoder": False,
        "text_encoder": str(random_bert),
        "epochs": 2,
        "batch_documents": 2,
    }
    file = tmp_path / "two.yaml"
    file.write_text(tiny(data, tmp_path / "two", shard=shard, **changes).to_yaml())
    run_two(file)
    run = fit(tiny(data, tmp_path / "one", accumulate=2, **changes), Console(quiet=True))
    assert_one_curve(tmp_path / "one", tmp_path / "two")
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert one.keys() == two.keys()
    assert all(two[name].shape == value.shape for name, value in one.items())
    assert run.scores["best"].keys() == json.loads((tmp_path / "two" / "scores.json").read_text())["best"].keys()


@pytest.mark.parametrize("shard", [False, True])
def test_scales_of_the_logits_are_in_the_stored_weights(tmp_path: Path, shard: bool) -> None:
    """Those of FSDP2 are written through to the parts that the processes keep."""
    table = write_table(tmp_path / "pets.jsonl", 180)
    flip_some_labels(table)
    file = tmp_path / "two.yaml"
    config = tiny(table, tmp_path / "two", **{"epochs": 1, "model.regression_ngrams": 1, "shard": shard})
    file.write_text(config.to_yaml())
    run_two(file)
    run = fit(config, Console(quiet=True))  # is done, and read back
    assert max(abs(one - 1) for one in run.scores["logit_scales"]) > 0.1
    parts, target = dev_logit_parts(run)
    loss = torch.nn.functional.cross_entropy(parts.sum(0), target)
    assert run.scores["best"]["dev_loss"] == pytest.approx(loss.item(), abs=1e-4)


@pytest.mark.parametrize(
    ("name", "blocks"), [("test_vit", {"Block"}), ("test_resnet", set()), ("test_efficientnet", None)]
)
def test_layers_are_spread_block_by_block(random_bert: Path, name: str, blocks: set[str] | None) -> None:
    documents = [parse_text("The bark of it."), parse_text("The purr of it.")]
    config = document_config(
        {"text_encoder": "pretrained", "hidden_size": 16, "num_attention_heads": 2, "image_encoder": name}
    )
    found = set(layers_to_shard(build_classifier(config, documents, ["a", "b"], text_encoder=random_bert)))
    assert {"PreNormLayer", "BertLayer"} <= found
    assert not found & {"Sequential", "ModuleList", "BertEmbeddings", "Linear"}
    if blocks is not None:
        assert found - {"PreNormLayer", "BertLayer"} == blocks
