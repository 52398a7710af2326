"""Contrastive training of a text encoder: transformers' Trainer around sentence-transformers' cached loss.

The loss (`CachedMultipleNegativesRankingLoss`, GradCache) reads a batch in parts, so that memory does not grow with it;
pairs are sorted by length first, so that parts are hardly padded. Batches are planned before (plan.py), all epochs in
one row, so a run that was killed goes on at its last checkpoint to the same weights. sentence-transformers' own trainer
is the same Trainer, but needs the package `datasets`.

Sources: Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size" (arXiv 2101.06983); Kusupati et al. 2022,
"Matryoshka Representation Learning" (arXiv 2205.13147).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import training.installed

import torch
from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss, MatryoshkaLoss
from torch import Tensor, nn
from torch.utils.data import Dataset, SequentialSampler
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from docgraph.pairs import Pair
from encoders.embedder.texts import TextEncoder
from training.adapt.measure import ndcg
from training.checkpoints import KeepBest, MarkComplete, SaveOften

PART: Final = 16
"""Pairs that are read at once."""
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
        pairs = sorted(items[0], key=lambda pair: -len(pair.target))
        sides = {"query": [pair.query for pair in pairs], "document": [pair.target for pair in pairs]}
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
        loss: nn.Module = CachedMultipleNegativesRankingLoss(encoder.model, mini_batch_size=PART)
        if settings.matryoshka:
            widths = [encoder.width >> step for step in range(4) if encoder.width >> step >= NARROWEST or not step]
            loss = MatryoshkaLoss(encoder.model, loss, widths)
        self.__dict__["loss"] = loss

    def forward(self, query: dict[str, Tensor], document: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss under "loss"."""
        labels = torch.zeros(0, device=self.model.device)
        return {"loss": self.__dict__["loss"]([query, document], labels)}


class _Batches(Dataset[list[Pair]]):
    def __init__(self, planned: Sequence[list[Pair]]) -> None:
        self.planned = planned

    def __len__(self) -> int:
        return len(self.planned)

    def __getitem__(self, place: int) -> list[Pair]:
        return self.planned[place]


def _arguments(settings: AdaptSettings, checkpoints: Path, between: int, resumes: bool) -> TrainingArguments:
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        per_device_train_batch_size=1,
        num_train_epochs=1,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=0.1,
        weight_decay=0.01,
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
