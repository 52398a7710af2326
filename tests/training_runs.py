"""Small training runs: a table of two classes that a word tells apart, a model of a few weights,
and what a run left.
"""

import json
import random
from pathlib import Path

import torch
from rich.console import Console
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from training.config import TrainingConfig, make_config
from training.fit import Run
from training.run_folder import RunFolder

QUIET = Console(quiet=True)
TINY = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "position_size": 8,
    "position_head_size": 4,
    "text_leaves": "node",
    "image_encoder": None,
}


def write_table(path: Path, rows: int = 24, **extra: object) -> Path:
    """Two classes that a word tells apart, with noise around it."""
    words = random.Random(1)
    lines = []
    for number in range(rows):
        label = ("cats", "dogs")[number % 2]
        noise = " ".join(words.choice(["sun", "rain", "wind", "snow", "fog"]) for _ in range(words.randint(3, 12)))
        split = "dev" if number % 6 < 2 else "train"
        text = f"{noise}. The {('purr', 'bark')[number % 2]} of it."
        lines.append({"id": f"r{number}", "label": label, "text": text, "split": split, **extra})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def flip_some_labels(table: Path) -> None:
    """Give every fifth record the wrong label, so that no logits are right by any margin."""
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    for row in rows[::5]:
        row["label"] = "dogs" if row["label"] == "cats" else "cats"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))


def tiny(data: Path, output: Path, **changes: object) -> TrainingConfig:
    values = {
        "data": str(data),
        "output": str(output),
        "device": "cpu",
        "vocab_size": 300,
        "epochs": 3,
        "batch_documents": 4,
        "learning_rate": 0.01,
        "model": TINY,
    }
    return make_config(values).with_values(changes)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def assert_equal_weights(one: Path, other: Path) -> None:
    left, right = weights(one), weights(other)
    assert left.keys() == right.keys()
    for name, value in left.items():
        assert torch.equal(value, right[name]), name


def dev_logit_parts(run: Run) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of the stored model's parts on the dev records, and their classes."""
    model = RunFolder(run.folder).model()
    batch = model.needs_processor(None)([one.document() for one in run.corpus["dev"]])
    with torch.no_grad():
        parts = model(batch).logit_parts
    return parts, torch.tensor([model.config.label2id[str(one.label)] for one in run.corpus["dev"]])


def write_random_bert(folder: Path) -> Path:
    """Write a BERT of two layers with weights drawn at random, and its tokenizer."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"sun rain wind snow fog the purr bark of it . The".split()]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    torch.manual_seed(0)
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    size = {"vocab_size": len(words), "hidden_size": 16, "intermediate_size": 32, "max_position_embeddings": 40}
    config = BertConfig(**size, **still, num_hidden_layers=2, num_attention_heads=2)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder
