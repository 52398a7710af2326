"""parse_many where inputs are hostile or outputs are in the way: nothing is lost, mixed, or ends the job."""

import json
import struct
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from docgraph import DataError, ParseError, parse_many, parse_site, read_many
from docgraph.bulk.shards import in_turn

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


# -- hostile archives ------------------------------------------------------------------------------------------


def zip_of(path: Path, **members: str) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(f"{name}.html", text)
    return path.read_bytes()


def name_no_utf_8(folder: Path) -> Path:
    path = folder / "name.zip"
    data = bytearray(zip_of(path, aa="<p>A."))
    central = data.rindex(b"PK\x01\x02")
    struct.pack_into("<H", data, central + 8, 0x800)
    data[central + 46] = 0xFF
    path.write_bytes(data)
    return path


def of_version_99(folder: Path) -> Path:
    path = folder / "version.zip"
    data = bytearray(zip_of(path, aa="<p>A."))
    struct.pack_into("<H", data, data.rindex(b"PK\x01\x02") + 6, 990)
    path.write_bytes(data)
    return path


def of_endless_length(folder: Path) -> Path:
    path = folder / "length.warc"
    path.write_bytes(b"WARC/1.1\r\nWARC-Type: warcinfo\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nhello")
    return path


def of_two_ids(folder: Path) -> Path:
    pyarrow = pytest.importorskip("pyarrow.parquet", reason="needs the extra parquet")
    from pyarrow import Table, array

    path = folder / "ids.parquet"
    texts = array(["<p>A."])
    pyarrow.write_table(Table.from_arrays([texts, texts, texts], names=["id", "id", "html"]), path)
    return path


HOSTILE = (name_no_utf_8, of_version_99, of_endless_length, of_two_ids)


@pytest.mark.parametrize("made", HOSTILE)
def test_a_hostile_archive_is_named_and_the_others_go_on(pages, tmp_path, made):
    path = made(tmp_path)
    counts = parse_many([pages, path], tmp_path / "d.jsonl", workers=1)
    assert (counts.written, counts.failed) == (20, 1)
    ((name, message),) = problems(tmp_path).items()
    assert name == path.name
    assert message.startswith(("ParseError", "DataError"))
    assert len(message) < 400


@pytest.mark.parametrize("made", HOSTILE[:3])
def test_a_hostile_site_is_one_error(tmp_path, made):
    with pytest.raises(ParseError):
        parse_site(made(tmp_path))


def test_a_reader_of_archives_that_fails_as_none_did_before_costs_its_file_only(pages, tmp_path, monkeypatch):
    from docgraph.bulk import files

    def fail(path):
        raise RecursionError("of a kind that nobody thought of")

    zip_of(tmp_path / "a.zip", a="<p>A.")
    monkeypatch.setattr(files, "parts_of", fail)
    counts = parse_many([pages, tmp_path / "a.zip"], tmp_path / "d.jsonl", workers=1)
    assert (counts.written, counts.failed) == (20, 1)
    assert problems(tmp_path) == {"a.zip": "RecursionError: of a kind that nobody thought of"}
