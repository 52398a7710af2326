"""Named training configurations: ours, tuned on dev splits, and the paper's.

    docgraph train --recipe openstax-scratch --data ../shared/data/html_images/openstax --output runs/x

A recipe is a `TrainingConfig` without data and output. The paper's (hsa-paper-*) follow its tables 6 and 7 as far as
they say: one HTE layer, 3 heads, mean readout, a one-hidden-layer classifier, AdamW, linear schedule; where weights
of its encoders (Word2Vec, T5, e5, ViT) are not at hand, give others with `--set text_encoder=FOLDER`.

Source of the paper's settings: arXiv 2509.15448, section 5 and appendix I.
"""

from typing import Any, Final

from training.config import ConfigError, TrainingConfig, make_config

_NEWS_FIELDS: Final = ["headline", "abstract", "caption", "body", "image"]
_PAPER: Final[dict[str, Any]] = {
    "layer": "hte",
    "attend_self": False,
    "num_hidden_layers": 1,
    "num_attention_heads": 3,
    "hidden_dropout_prob": 0.0,
    "text_encoder": "pretrained",
    "freeze_text_encoder": True,
}

RECIPES: Final[dict[str, dict[str, Any]]] = {}
"""Name -> values that differ from the defaults."""


def recipe(name: str) -> TrainingConfig:
    """Return a recipe.

    Raises:
        ConfigError: there is none of that name; the message lists them.
    """
    if name not in RECIPES:
        raise ConfigError(f"a recipe must be one of {', '.join(sorted(RECIPES))}, but is {name!r}.")
    return make_config(RECIPES[name])
