"""Batches of bounded cost: records encoded once, and a plan of batches that every process and every resume agrees on.

    DocumentDataset ──processor──> EncodedDataset (arrays, in memory; images wait) ──PlannedBatches──> index lists
                                   ──collator──> {"labels": (B,), "batch": DocumentBatch, perhaps "base": (B, C)}

The plan of an epoch follows from the seed and the epoch's number alone. It has the same number of batches in every
epoch, a multiple of the number of processes, and process r takes every world-th batch: steps, learning rates and
resuming come out exact. Nothing is padded, so documents of all lengths share a batch.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import training.installed

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from docgraph.errors import DataError, DocgraphError
from encoders.inputs.encoded import EncodedDocument
from encoders.inputs.processor import DocumentProcessor
from training.datasets.dataset import DocumentDataset
from training.datasets.records import RecordProblem


class EncodedDataset(Dataset[tuple[EncodedDocument, Any, Tensor | None]]):
    """The records of a data set as arrays. Those that cannot be made into a document are set aside, by name."""

    base: Tensor | None = None
    """(N, C) logits that the model's are added to in training, where there are some."""

    def __init__(
        self, dataset: DocumentDataset, processor: DocumentProcessor, *, console: Console | None = None
    ) -> None:
        """Make and encode every document.

        Args:
            console: where a progress bar is shown; None shows none.
        """
        self.labels = dataset.labels
        self.encoded: list[EncodedDocument] = []
        self.targets: list[Any] = []
        """What `DocumentDataset.label_of` says of each."""
        self.ids: list[str] = []
        self.groups: list[str | None] = []
        """`Record.group` of each."""
        self.problem_type = dataset.problem_type
        self.problems: list[RecordProblem] = list(dataset.problems)
        for index in track(
            range(len(dataset)), f"encoding {dataset.split}", console=console, disable=console is None, transient=True
        ):
            record = dataset.records[index]
            try:
                self.encoded.append(processor.encode(record.document()))
            except DocgraphError as error:
                self.problems.append(RecordProblem("document.unreadable", record.id, str(error)))
                continue
            self.targets.append(dataset.label_of(index))
            self.ids.append(record.id)
            self.groups.append(record.group)

    def __len__(self) -> int:
        return len(self.encoded)

    def __getitem__(self, index: int) -> tuple[EncodedDocument, Any, Tensor | None]:
        return self.encoded[index], self.targets[index], None if self.base is None else self.base[index]

    @property
    def sizes(self) -> list[int]:
        """Rows of every document."""
        return [one.num_rows for one in self.encoded]

    @property
    def cut_tokens(self) -> int:
        """Sub-words left out because of `max_tokens`, over all documents."""
        return sum(one.cut_tokens for one in self.encoded)


class PlannedBatches(Sampler[list[int]]):
    """Shuffles the records and cuts them at equal shares of cost.

    A record costs max(1 / batch_documents, rows / batch_leaves) of a batch; a batch holds at most one share and one
    record more.

    Args:
        sizes: rows of every record.
        seed: of the shuffle; None keeps the order of the records.
        rank, world: this process and the number of all.

    Raises:
        DataError: fewer records than processes.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        batch_documents: int,
        batch_leaves: int,
        seed: int | None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if len(sizes) < world:
            raise DataError(
                f"there must be at least one record for each of the {world} processes, but there are {len(sizes)}."
            )
        self.cost = [max(1 / batch_documents, size / batch_leaves) for size in sizes]
        self.seed = seed
        self.rank = rank
        self.world = world
        self.epoch = 0
        batches = max(math.ceil(sum(self.cost) - 1e-9), 1)
        self.batches = min(math.ceil(batches / world) * world, len(sizes) // world * world)

    def set_epoch(self, epoch: int) -> None:
        """Shuffle for another epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.batches // self.world

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.plan()[self.rank :: self.world])

    def plan(self) -> list[list[int]]:
        """Return the batches of all processes: every record once, no batch empty."""
        order = list(range(len(self.cost)))
        if self.seed is not None:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
            order = torch.randperm(len(order), generator=generator).tolist()
        share, spent = sum(self.cost) / self.batches, 0.0
        plan: list[list[int]] = [[]]
        for place, record in enumerate(order):
            left = self.batches - len(plan)
            full = spent + self.cost[record] / 2 > share * len(plan)
            if plan[-1] and left and (full or len(order) - place <= left):
                plan.append([])
            plan[-1].append(record)
            spent += self.cost[record]
        return plan


class Collator:
    """Turns encoded records into what the trainer passes to the model."""

    def __init__(self, processor: DocumentProcessor) -> None:
        self.processor = processor

    def __call__(self, items: Sequence[tuple[EncodedDocument, Any, Tensor | None]]) -> dict[str, Any]:
        labels = torch.tensor([label for _, label, _ in items])
        bases = [base for _, _, base in items if base is not None]
        batch = self.processor.collate([encoded for encoded, _, _ in items])
        return {"labels": labels, "batch": batch, **({"base": torch.stack(bases)} if bases else {})}


class BatchLoader(DataLoader[Any]):
    """A data loader whose plan moves on with the epochs."""

    def set_epoch(self, epoch: int) -> None:
        """Tell the plan."""
        assert isinstance(self.batch_sampler, PlannedBatches)
        self.batch_sampler.set_epoch(epoch)


def make_loader(
    data: EncodedDataset, plan: PlannedBatches, processor: DocumentProcessor, workers: int = 0
) -> BatchLoader:
    """Return a loader of planned batches."""
    return BatchLoader(
        data, batch_sampler=plan, collate_fn=Collator(processor), num_workers=workers, persistent_workers=workers > 0
    )
