"""Named training configurations: ours, tuned on dev splits, and the paper's.

    docgraph train --recipe news-scratch --data ../shared/data/html_images/openstax --output runs/openstax
    YAML file ──read_config──> TrainingConfig, over the recipe that the file names

A recipe is a `TrainingConfig` without data and output. Ours read whole documents, sentence by sentence, and run on
two cores; beside the transformer they put a regression on the words (encoders/ngrams.py), which their -deep variants,
for comparing kinds of attention, leave out. The stacked- ones are sums of parts chosen on held-out records
(parts/stacking.py). The paper's (imdb-..., elec-..., n24news-...) follow its tables 6 and 7 as far as they say: one HTE
layer, three heads, frozen text features, AdamW, a linear schedule. Its widths 128 and 512 do not divide by three
heads and become 129 and 513; its flat model reads text only, and 512 tokens at most. The weights of its encoders
(Word2Vec, T5, e5, ViT) come from local folders: `--set text_encoder=FOLDER`.

Source of the paper's settings: arXiv 2509.15448, section 5 and appendix I.
"""

from pathlib import Path
from typing import Any, Final

import yaml

from training.config import ConfigError, TrainingConfig, make_config

_SMALL: Final[dict[str, Any]] = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 1,
    "text_leaves": "node",
    "text_dropout_prob": 0.5,
    "hidden_dropout_prob": 0.2,
    "image_leaves": "one",
    "modality_dropout_prob": 0.3,
    "label_smoothing": 0.1,
}
_BLOCK: Final[dict[str, Any]] = {"attention_form": "block"}
"""A block shows what its own mean query picks: at the cost of the paper's form it learns sooner where a leaf is a word
(docs/results.md), and it can show a single leaf. Recipes that compare kinds of attention keep the paper's."""
_NEWS: Final[dict[str, Any]] = {"epochs": 8, "learning_rate": 2e-3, "weight_decay": 0.05, "vocab_size": 8_000}
_STATISTICS: Final[dict[str, Any]] = {"image_encoder": "statistics", "freeze_image_encoder": True}
_LITE0: Final[dict[str, Any]] = {"image_encoder": "tf_efficientnet_lite0", "freeze_image_encoder": True}
_TEXT: Final[dict[str, Any]] = {"image_encoder": None}
_REVIEWS: Final[dict[str, Any]] = {"epochs": 5, "learning_rate": 2e-3, "weight_decay": 0.05, "batch_documents": 32}
_MINILM: Final[dict[str, Any]] = {
    "epochs": 6,
    "learning_rate": 1e-3,
    "weight_decay": 0.05,
    "batch_documents": 32,
    "text_encoder": "minilm",
    "model": {**_SMALL, **_TEXT, "text_encoder": "pretrained"},
}
_WORDS: Final[dict[str, Any]] = {"regression_ngrams": 3, "regression_buckets": 524_288}
_STACKED: Final[dict[str, Any]] = {
    "epochs": 5,
    "learning_rate": 2e-3,
    "weight_decay": 0.05,
    "batch_documents": 32,
    "metric": "loss",
    "stack": True,
    "learn_dev": True,
}
_PARTS: Final[dict[str, Any]] = {
    **_SMALL,
    **_BLOCK,
    "label_smoothing": 0.0,
    **_WORDS,
}
_IMDB: Final[dict[str, Any]] = {
    "format": "imdb",
    "epochs": 4,
    "learning_rate": 1.5e-3,
    "weight_decay": 0.05,
    "batch_documents": 64,
    "vocab_size": 30_000,
    "model": {
        **_TEXT,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 1,
        "text_leaves": "node",
        "text_start": "evidence",
        "text_embedding_size": 16,
        "text_ngrams": 2,
        "text_ngram_buckets": 524_288,
        "text_dropout_prob": 0.85,
        "hidden_dropout_prob": 0.2,
    },
}
_PAPER: Final[dict[str, Any]] = {
    "layer": "hte",
    "attend_self": False,
    "num_hidden_layers": 1,
    "num_attention_heads": 3,
    "hidden_dropout_prob": 0.0,
    "classifier_dropout_prob": 0.0,
    "position_size": 768,
    "text_encoder": "pretrained",
}
_PAPER_TEXT: Final[dict[str, Any]] = {**_PAPER, **_TEXT, "hidden_size": 129, "intermediate_size": 129}
_PAPER_NEWS: Final[dict[str, Any]] = {**_PAPER, "hidden_size": 513, "intermediate_size": 513, "text_leaves": "node"}
_PAPER_REVIEWS: Final[dict[str, Any]] = {"epochs": 30, "learning_rate": 2e-5, "batch_documents": 64, "warmup": 0.0}
_PAPER_ARTICLES: Final[dict[str, Any]] = {"epochs": 5, "learning_rate": 1e-4, "batch_documents": 512, "warmup": 0.0}

RECIPES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "news-scratch": (
        "Articles and tables of texts with images, everything learned from your data; minutes on two cores.",
        {**_NEWS, "model": {**_SMALL, **_BLOCK, **_STATISTICS, "text_start": "regression", **_WORDS}},
    ),
    "news-scratch-deep": (
        "news-scratch without the regression on words, to compare kinds of attention.",
        {**_NEWS, "model": {**_SMALL, **_STATISTICS, "text_start": "regression"}},
    ),
    "news-minilm": (
        "The same records read by a frozen MiniLM, for few records; some minutes longer.",
        {
            **_NEWS,
            "text_encoder": "minilm",
            "model": {**_SMALL, **_BLOCK, **_STATISTICS, "text_encoder": "pretrained", **_WORDS},
        },
    ),
    "news-pretrained": (
        "news-minilm, with images read by a frozen EfficientNet-Lite0.",
        {
            **_NEWS,
            "text_encoder": "minilm",
            "image_weights": "lite0",
            "model": {**_SMALL, **_BLOCK, "text_encoder": "pretrained", **_LITE0, **_WORDS},
        },
    ),
    "pages-scratch": (
        "Web pages, their main content only, everything learned from your data.",
        {**_NEWS, "main_only": True, "model": {**_SMALL, **_BLOCK}},
    ),
    "reviews-scratch": (
        "Plain texts without images, everything learned from your data.",
        {**_REVIEWS, "model": {**_SMALL, **_BLOCK, **_TEXT, "regression_ngrams": 2, "regression_buckets": 524_288}},
    ),
    "reviews-scratch-deep": (
        "reviews-scratch without the regression on words, to compare kinds of attention.",
        {**_REVIEWS, "model": {**_SMALL, **_TEXT}},
    ),
    "reviews-minilm": (
        "Plain texts read by a frozen MiniLM, beside a regression on words.",
        {**_MINILM, "model": {**_MINILM["model"], **_BLOCK, **_WORDS}},
    ),
    "reviews-minilm-deep": ("reviews-minilm without the regression, to compare kinds of attention.", _MINILM),
    "stacked-words": (
        "Texts of any kind: regressions on n-grams and what a transformer adds to them, each only if it helps.",
        {**_STACKED, "model": {**_PARTS, **_TEXT}},
    ),
    "stacked-minilm": (
        "The same, with regressions on a frozen MiniLM's vectors of the text and of each field, and one that is tuned.",
        {
            **_STACKED,
            "text_encoder": "minilm",
            "tune": "whole",
            "model": {**_PARTS, **_TEXT, "text_encoder": "pretrained"},
        },
    ),
    "stacked-pretrained": (
        "stacked-minilm, with regressions on a frozen EfficientNet-Lite0's vectors of the images, if they help.",
        {
            **_STACKED,
            "text_encoder": "minilm",
            "tune": "whole",
            "image_weights": "lite0",
            "model": {**_PARTS, "text_encoder": "pretrained", **_LITE0},
        },
    ),
    "reviews-imdb": (
        "IMDB reviews, the best of ours: n-grams and a regression, some 25,000 texts.",
        {**_IMDB, "model": {**_IMDB["model"], **_BLOCK, "regression_ngrams": 3}},
    ),
    "reviews-imdb-deep": ("reviews-imdb without the regression, to compare kinds of attention.", _IMDB),
    "imdb-hsa": (
        "The paper's hierarchical model on IMDB; needs text_encoder.",
        {**_PAPER_REVIEWS, "format": "imdb", "model": _PAPER_TEXT},
    ),
    "imdb-fsa": (
        "The paper's flat model on IMDB, 512 tokens at most; needs text_encoder.",
        {**_PAPER_REVIEWS, "format": "imdb", "max_tokens": 512, "model": {**_PAPER_TEXT, "attention": "flat"}},
    ),
    "elec-hsa": (
        "The paper's hierarchical model on Elec; needs text_encoder.",
        {**_PAPER_REVIEWS, "format": "elec", "model": _PAPER_TEXT},
    ),
    "elec-fsa": (
        "The paper's flat model on Elec, 512 tokens at most; needs text_encoder.",
        {**_PAPER_REVIEWS, "format": "elec", "max_tokens": 512, "model": {**_PAPER_TEXT, "attention": "flat"}},
    ),
    "n24news-hsa": (
        "The paper's hierarchical model on N24News; needs text_encoder.",
        {**_PAPER_ARTICLES, "format": "n24news", "model": _PAPER_NEWS},
    ),
    "n24news-fsa": (
        "The paper's flat model on N24News, text only; needs text_encoder.",
        {
            **_PAPER_ARTICLES,
            "format": "n24news",
            "fields": ["headline", "abstract", "body"],
            "model": {**_PAPER_NEWS, **_TEXT, "attention": "flat"},
        },
    ),
    "n24news-deepset": (
        "The paper's model without attention (deep sets) on N24News; needs text_encoder.",
        {**_PAPER_ARTICLES, "format": "n24news", "model": {**_PAPER_NEWS, "attention": "none"}},
    ),
}
"""Name -> what it is for, and the values that differ from the defaults."""
FIRST: Final = (
    "Take none first: `docgraph train` then chooses the stacked one that fits your data and what is installed.\n"
    "The others fix what is learned. `docgraph recipes NAME` prints one as YAML to start from."
)


def recipe(name: str) -> TrainingConfig:
    """Return a recipe.

    Raises:
        ConfigError: there is none of that name; the message lists them.
    """
    if name not in RECIPES:
        raise ConfigError(f"a recipe must be one of {', '.join(sorted(RECIPES))}, but is {name!r}.")
    return make_config(RECIPES[name][1])


def read_config(path: str | Path, under: TrainingConfig | None = None) -> TrainingConfig:
    """Read a YAML file. Its relative paths start at the current folder, as those of the command line do.

    Args:
        under: what the file's values are put on; without it, on the recipe that the file names, or on the defaults.

    Raises:
        ConfigError: the file is missing, no YAML, or what `make_config` raises.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"a training configuration must be a YAML file, but {error}.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} must be YAML, but {error}.") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold names and values, but holds a {type(values).__name__}.")
    if "recipe" in values:
        under = recipe(values.pop("recipe"))
    return make_config(values) if under is None else under.with_values(values)
