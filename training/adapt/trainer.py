"""Contrastive training of a text encoder: transformers' Trainer around sentence-transformers' losses.

The loss is `MultipleNegativesRankingLoss`; above `WHOLE` pairs the cached one (GradCache), whose memory does not grow
with the batch but which reads all twice. Texts are read in parts of like length, so that hardly any padding is. Batches
are planned before (plan.py), all epochs in one row, so a run that was killed goes on at its last checkpoint to the same
weights. sentence-transformers' own trainer is the same Trainer, but needs the package `datasets`.

Sources: Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size" (arXiv 2101.06983); Kusupati et al. 2022,
"Matryoshka Representation Learning" (arXiv 2205.13147).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import training.installed

import torch
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MatryoshkaLoss,
    MultipleNegativesRankingLoss,
)
from torch import Tensor, nn
from torch.utils.data import Dataset, SequentialSampler
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from docgraph.pairs import Pair
from encoders.embedder.texts import TextEncoder
from training.adapt.measure import ndcg
from training.learning.checkpoints import KeepBest, MarkComplete, SaveOften
from training.learning.quick import drop_nothing_in_attention, multiplies_bfloat16

PART: Final = 8
"""Texts that are read at once."""
WHOLE: Final = 64
"""Pairs of a batch whose activations are kept, all of them."""
NARROWEST: Final = 32
"""Width of the shortest vectors that Matryoshka training cares for."""
EVALUATIONS: Final = 8
"""Looks at dev in an epoch, about."""
BETWEEN: Final = (10, 50)
"""Steps between two of them, at least and at most."""
PATIENCE: Final = 4
"""Looks at dev without a better one, after which training stops."""


@dataclass(frozen=True, kw_only=True)
class AdaptSettings:
    """How an encoder is adapted."""

    epochs: int = 3
    batch: int = 32
    """Pairs that are each other's negatives."""
    learning_rate: float = 5e-5
    seed: int = 0
    matryoshka: bool = False
    """Whether the first half, quarter, eighth of a vector shall do as well."""


class PairTrainer(Trainer):
    """Trains an encoder on planned batches, and keeps the weights that were best on dev in `best`."""

    def __init__(
        self,
        encoder: TextEncoder,
        settings: AdaptSettings,
        planned: Sequence[list[Pair]],
        dev: Sequence[Pair],
        folder: Path,
        *,
        resumes: bool = False,
        callbacks: Sequence[TrainerCallback] = (),
    ) -> None:
        self.encoder, self.dev = encoder, dev
        drop_nothing_in_attention(encoder.model)
        between = min(max(BETWEEN[0], -(-len(planned) // (EVALUATIONS * settings.epochs))), BETWEEN[1])
        self.planned = _Batches(planned)
        super().__init__(
            model=_Contrast(encoder, settings),
            args=_arguments(settings, folder / "checkpoints", between, resumes),
            train_dataset=self.planned,
            eval_dataset=_Batches([list(dev)]),
            data_collator=self.read,
            callbacks=[
                KeepBest(folder / "best", "ndcg", PATIENCE, self.write_model),
                MarkComplete(),
                SaveOften(),
                *callbacks,
            ],
        )
        self.remove_callback(PrinterCallback)

    @property
    def scored(self) -> list[dict[str, Any]]:
        """Return what dev said: "step", "eval_ndcg"."""
        return [entry for entry in self.state.log_history if "eval_ndcg" in entry]

    def read(self, items: list[list[Pair]]) -> dict[str, Any]:
        """Return the tokens of a batch."""
        sides = {"query": [pair.query for pair in items[0]], "document": [pair.target for pair in items[0]]}
        return {
            side: self.encoder.model.preprocess(texts, prompt=self.encoder.prompt(side) or None)
            for side, texts in sides.items()
        }

    def write_model(self, folder: Path) -> None:
        """Write the encoder as sentence-transformers' folder."""
        self.encoder.model.save(str(folder), create_model_card=False)

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Score dev; `loss` is what is missing to the best."""
        value = float(ndcg(self.encoder, self.dev).mean())
        metrics = {f"{metric_key_prefix}_loss": 1 - value, f"{metric_key_prefix}_ndcg": value}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Return 0: the Trainer's estimate is for padded token matrices."""
        return 0

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        return SequentialSampler(self.planned)


class _Contrast(nn.Module):
    """The loss of a batch. Of its parts the encoder alone is a module, so that weights are stored once."""

    def __init__(self, encoder: TextEncoder, settings: AdaptSettings) -> None:
        super().__init__()
        self.model = encoder.model
        reader: Any = encoder.model if settings.batch > WHOLE else _InParts(encoder.model)
        loss: nn.Module = (
            CachedMultipleNegativesRankingLoss(reader, mini_batch_size=2 * PART)
            if settings.batch > WHOLE
            else MultipleNegativesRankingLoss(reader)
        )
        if settings.matryoshka:
            widths = [encoder.width >> step for step in range(4) if encoder.width >> step >= NARROWEST or not step]
            loss = MatryoshkaLoss(reader, loss, widths)
        self.__dict__["loss"] = loss

    def forward(self, query: dict[str, Tensor], document: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss under "loss"."""
        labels = torch.zeros(0, device=self.model.device)
        return {"loss": self.__dict__["loss"]([query, document], labels)}


class _InParts(nn.Module):
    """A text encoder that reads the texts of a batch in parts of like length, each padded to its own longest."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def get_embedding_dimension(self) -> int | None:
        """D; a loss asks for it."""
        width: int | None = self.model.get_embedding_dimension()
        return width

    def forward(self, features: dict[str, Any], **options: Any) -> dict[str, Any]:
        """Return the vectors of the texts under "sentence_embedding"."""
        if "attention_mask" not in features:  # a static encoder pads nothing
            return {**self.model(features, **options)}
        lengths = features["attention_mask"].sum(1)
        order = lengths.argsort(descending=True)
        left = getattr(self.model.tokenizer, "padding_side", "right") == "left"
        read = []
        for rows in order.split(PART):
            longest = int(lengths[rows[0]])
            part = {
                name: value[rows][:, -longest:] if left else value[rows][:, :longest]
                for name, value in features.items()
                if isinstance(value, Tensor)
            }
            read.append(self.model({**features, **part}, **options)["sentence_embedding"])
        return {"sentence_embedding": torch.cat(read)[order.argsort()]}


class _Batches(Dataset[list[Pair]]):
    def __init__(self, planned: Sequence[list[Pair]]) -> None:
        self.planned = planned

    def __len__(self) -> int:
        return len(self.planned)

    def __getitem__(self, place: int) -> list[Pair]:
        return self.planned[place]


def _arguments(settings: AdaptSettings, checkpoints: Path, between: int, resumes: bool) -> TrainingArguments:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    narrow = multiplies_bfloat16(device)
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        per_device_train_batch_size=1,
        num_train_epochs=1,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=0.1,
        weight_decay=0.01,
        bf16=narrow,
        use_cpu=narrow and device == "cpu",  # else bfloat16 is refused
        seed=settings.seed,
        data_seed=settings.seed,
        eval_strategy="steps",
        eval_steps=between,
        eval_on_start=not resumes,
        save_strategy="steps",
        save_steps=between,
        save_total_limit=1,
        logging_steps=between,
        disable_tqdm=True,
        report_to="none",
        dataloader_pin_memory=torch.cuda.is_available(),
        remove_unused_columns=False,
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # a planned batch is not spread over several
    return arguments
