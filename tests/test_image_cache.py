"""Prepared pictures: decoded once in a run, the same numbers as decoding them every time, within a bound of memory."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from docgraph.images import ImageReference
from encoders import DocumentProcessor, FeatureCache, ProcessorSettings
from encoders.inputs.images import ImageSettings
from encoders.leaves.image import image_settings
from tests.articles import article, picture
from tests.training_runs import assert_equal_weights, tiny
from training.fit import fit

SIDE = ImageSettings(
    height=16, width=24, mean=(0.4,) * 3, std=(0.2,) * 3, interpolation="bicubic", grid_height=2, grid_width=3
)
BYTES = 3 * 16 * 24


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight records with noise as pictures, one picture broken and one text without any, in two classes."""
    folder = tmp_path_factory.mktemp("album")
    rows = []
    for number in range(10):
        name = f"p{number}.jpg"
        Image.effect_noise((50 + number, 40), 90).convert("RGB").save(folder / name)
        label = ("cats", "dogs")[number % 2]
        rows.append({"label": label, "text": f"A {label[:-1]}.", "image": name, "split": "train"})
    rows[8]["split"] = rows[9]["split"] = "dev"
    (folder / "p2.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    del rows[3]["image"]
    (folder / "all.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The pictures that were decoded in full, as they are; the check that reading a data set makes is not one."""
    found: list[bytes] = []
    plain = ImageReference.open

    def counting(self: ImageReference, mode: str | None = None, **options: Any) -> Image.Image:
        if mode == "RGB":
            found.append(self.bytes())
        return plain(self, mode, **options)

    monkeypatch.setattr(ImageReference, "open", counting)
    return found


def test_a_run_decodes_each_picture_once_and_ends_with_the_weights_of_one_that_always_decodes(
    album: Path, tmp_path: Path, decoded: list[bytes]
) -> None:
    changes = {"model.image_encoder": "test_vit", "model.image_size": 32, "epochs": 2}
    fit(tiny(album / "all.jsonl", tmp_path / "always", image_memory=0, **changes), Console(quiet=True))
    assert len(decoded) >= 2 * 8
    decoded.clear()
    run = fit(tiny(album / "all.jsonl", tmp_path / "kept", **changes), Console(quiet=True))
    assert_equal_weights(tmp_path / "always", tmp_path / "kept")
    assert len(decoded) == len(set(decoded)) == 8
    assert run.model.processor is not None
    assert run.model.processor.images is None


def test_pictures_on_disk_serve_another_process_and_another_run(
    album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"model.image_encoder": "test_vit", "model.image_size": 32, "epochs": 1, "image_memory": 0}
    changes["image_cache"] = str(tmp_path / "pictures.sqlite")
    fit(tiny(album / "all.jsonl", tmp_path / "one", **changes), Console(quiet=True))
    plain = ImageReference.open

    def no_more(self: ImageReference, mode: str | None = None, **options: Any) -> Image.Image:
        assert mode != "RGB", "decoded again"  # in the worker, which passes it on
        return plain(self, mode, **options)

    monkeypatch.setattr(ImageReference, "open", no_more)
    fit(tiny(album / "all.jsonl", tmp_path / "two", workers=1, **changes), Console(quiet=True))
    assert_equal_weights(tmp_path / "one", tmp_path / "two")


@pytest.mark.parametrize("name", ["test_vit", "test_resnet"])
def test_prepared_pixels_are_bit_for_bit_those_of_the_transform(tmp_path: Path, name: str) -> None:
    settings = image_settings(name)
    file = tmp_path / "noise.png"
    Image.effect_noise((211, 97), 90).convert("RGB").save(file)
    processor = DocumentProcessor(None, ProcessorSettings(text_leaves="none", image=settings))
    encoded = processor.encode(article(image=str(file)))
    want = settings.transform()(Image.open(file)).as_subclass(torch.Tensor)
    for pictures in (None, FeatureCache(dtype=np.uint8), FeatureCache(tmp_path / "p.sqlite", 0, np.uint8)):
        processor.images = pictures
        for _ in range(2):
            batch = processor.collate([encoded])
            assert batch.image is not None
            assert torch.equal(batch.image.pixel_values[0], want)


def test_a_changed_file_is_another_picture_and_one_size_is_not_taken_for_another(tmp_path: Path) -> None:
    file = picture(tmp_path, "one", "red")
    cache = FeatureCache(dtype=np.uint8)

    def mean(side: ImageSettings) -> torch.Tensor:
        processor = DocumentProcessor(None, ProcessorSettings(text_leaves="none", image=side))
        processor.images = cache
        batch = processor([article(image=str(file))])
        assert batch.image is not None
        assert batch.image.pixel_values.shape[-2:] == (side.height, side.width)
        return batch.image.pixel_values.mean((0, 2, 3))

    red = mean(SIDE)
    picture(tmp_path, "one", "blue")
    torch.testing.assert_close(mean(SIDE), red.flip(0))
    turned = ImageSettings(**{**SIDE.__dict__, "height": 24, "width": 16})
    torch.testing.assert_close(mean(turned), red.flip(0))


def test_memory_is_bounded_and_counts_each_array_once(tmp_path: Path) -> None:
    cache = FeatureCache(memory_bytes=3 * BYTES, dtype=np.uint8)
    arrays = {bytes([n]): np.full((48, 24), n, np.uint8) for n in range(5)}
    for _ in range(4):
        cache.put("s", {b"\0": arrays[b"\0"]})
    for digest, array in arrays.items():
        cache.put("s", {digest: array})
    held = [digest for digest, found in zip(arrays, cache.get("s", list(arrays)), strict=True) if found is not None]
    assert held == [b"\2", b"\3", b"\4"]


def test_two_processes_that_make_the_file_at_once_both_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite then says "locked" at once to one of them, one time in ten; here three times in a row."""
    refusals = 3

    class Contended(sqlite3.Connection):
        def execute(self, *arguments: Any) -> sqlite3.Cursor:
            nonlocal refusals
            if "journal_mode" in arguments[0] and refusals:
                refusals -= 1
                raise sqlite3.OperationalError("database is locked")
            return super().execute(*arguments)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **options: connect(*a, **options, factory=Contended))
    cache = FeatureCache(tmp_path / "features.sqlite")
    cache.put("s", {b"one": np.ones((1, 3), np.float32)})
    assert refusals == 0
    monkeypatch.undo()
    (found,) = FeatureCache(tmp_path / "features.sqlite").get("s", [b"one"])
    assert found is not None
    np.testing.assert_array_equal(found, np.ones((1, 3), np.float32))
