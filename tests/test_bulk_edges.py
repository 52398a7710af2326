"""parse_many where inputs are hostile or outputs are in the way: nothing is lost, mixed, or ends the job."""

import json
import os
import struct
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from docgraph import DataError, ParsePages, ParseError, parse_many, parse_site, read_many
from docgraph.bulk.rows import schema
from docgraph.bulk.shards import Shards, in_turn

with_pyarrow = pytest.mark.skipif(find_spec("pyarrow") is None, reason="needs the extra parquet")


@pytest.fixture
def pages(tmp_path) -> Path:
    folder = tmp_path / "pages"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number:02d}.html").write_text(f"<title>T {number}</title><p>Text {number} of it.")
    return folder


def ids(output: Path) -> list[str]:
    return [name for name, _ in read_many(output)]


def problems(folder: Path) -> dict[str, str]:
    lines = (folder / "errors.jsonl").read_text(encoding="utf-8").splitlines()
    return {one["id"]: f"{one['error']}: {one['message']}" for one in map(json.loads, lines)}


# -- outputs ---------------------------------------------------------------------------------------------------


@with_pyarrow
def test_an_engine_replaces_no_file_that_is_there(pages, tmp_path):
    parse_many(pages, tmp_path / "d.parquet", workers=1)
    before = (tmp_path / "d.parquet").read_bytes()
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "new.html").write_text("<p>New.")
    with pytest.raises(DataError, match=r"d\.parquet is there already.* choose another output or delete it"):
        parse_many(tmp_path / "more", tmp_path / "d.parquet", engine=in_turn)
    assert (tmp_path / "d.parquet").read_bytes() == before
    assert not (tmp_path / "d.parquet.parts").exists()
