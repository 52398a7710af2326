"""The end of a training run: what is kept, weighed and written.

best weights on dev ─ weigh the transformer, or calibrate ─> thresholds, doubtful labels ─> model, scores, model card
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import training.installed

import torch

from training.datasets import Corpus
from training.datasets.problem_types import SINGLE
from training.evaluation.card import note, write_card
from training.evaluation.evaluate_targets import dev_scores
from training.evaluation.metrics import score
from training.learning.calibration import CALIBRATION_RECORDS, logit_scales, weighed
from training.learning.checkpoints import wait_for_all
from training.learning.targets import Targets
from training.learning.thresholds import set_thresholds
from training.learning.trainer import DocumentTrainer
from training.output.files import write_atomically
from training.parts.choice import residual_scale
from training.parts.noise import NOISE, doubtful, noise_line, to_csv
from training.parts.stacking import Stack, off_topic_line, transformer_line
from training.run_folder import RunFolder, is_first_process, learned_splits


def finish(
    trainer: DocumentTrainer,
    folder: RunFolder,
    corpus: Corpus,
    result: dict[str, float],
    stack: Stack | None,
    tuned: Sequence[str],
    untrained: str | None,
) -> None:
    """Take the best weights, calibrate them, and write the run's files; the scores last, as the mark of its end.

    Args:
        tuned: what came of tuning the text encoder, in words.
        untrained: why the transformer of a stack was not trained, if it was not.
    """
    wait_for_all()
    if folder.best.is_dir():
        trainer.take_weights(folder.best)
    read = set(trainer.train_data.ids)
    scores: dict[str, Any] = {
        "records": {name: len(records) for name, records in corpus.splits.items()},
        "labels": dict(Counter(name for record in corpus["train"] if record.id in read for name in record.names)),
    }
    dev, scale, kind = trainer.dev_data, 0.0, trainer.train_data.problem_type
    if dev is not None:
        parts, target = trainer.logit_parts_of(dev)
        if stack is not None:
            scale = residual_scale(parts[1:].sum(0), parts[0], Targets(kind, target.numpy(), len(dev.labels)))
            stack.weigh_transformer(trainer.documents, scale)
            parts = torch.cat([scale * parts[:1], parts[1:]])
        elif trainer.config.calibrate and len(target) >= CALIBRATION_RECORDS:
            scales = logit_scales(parts, target)
            scores["logit_scales"] = scales.tolist()
            trainer.documents.scale_logits(scores["logit_scales"])
            parts = weighed(parts, scales)[None]
        if kind == SINGLE:
            scores["best"] = trainer.evaluate(dev, metric_key_prefix="dev")
    elif stack is not None:
        stack.weigh_transformer(trainer.documents, scale)
    if stack is not None:
        scores["parts"] = [*stack.lines(), *tuned, untrained or transformer_line(scale)]
        scores["parts"].append(off_topic_line(trainer.documents, dev is not None))
        if kind != SINGLE:
            linear_alone = scale == 0 and trainer.documents.tuned is None
            held = (stack.targets.values[: stack.train], stack.base) if linear_alone else (target.numpy(), parts.sum(0))
            set_thresholds(trainer.documents, *held)
            if dev is not None:
                scores["best"] = dev_scores(trainer.documents, kind, target.numpy(), parts.sum(0))
        elif stack.kept and is_first_process():
            records = doubtful(stack, trainer.train_data.ids, trainer.train_data.labels)
            write_atomically(folder.path / NOISE, to_csv(records))
            scores["parts"].append(noise_line(records, stack.train))
        if "dev" in learned_splits(trainer.config, corpus):
            stack.put_into(trainer.documents, with_dev=True)
    scores["history"] = [entry for entry in trainer.state.log_history if "dev_loss" not in entry]
    scores["seconds"] = result.get("train_runtime")
    trainer.write_model(folder.path)
    wait_for_all()
    if trainer.args.should_save:
        folder.finish(scores)
        if dev is None or kind != SINGLE:
            write_card(folder)
        else:
            note(folder, corpus.name, "dev", score("this model", parts.sum(0).softmax(-1), target, dev.labels))
    wait_for_all()
