"""parse_many where inputs are hostile or outputs are in the way: nothing is lost, mixed, or ends the job."""

import json
import os
import struct
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from docgraph import DataError, ParseError, ParsePages, parse_many, parse_site, read_many
from docgraph.bulk.files import Job
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
    with pytest.raises(DataError, match=r"d\.parquet must not be there yet, but is\. Choose another output, or"):
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


# -- outputs in the folder that is searched ----------------------------------------------------------------------


class Killed(Exception):
    pass


def stop_after_a_shard(work, shards, inputs):
    done = in_turn(work, shards, inputs)
    yield next(done)
    raise Killed


@with_pyarrow
@pytest.mark.parametrize("output", ["d.parquet", "d"])
def test_a_job_goes_on_where_its_output_lies_in_the_searched_folder(tmp_path, output):
    zip_of(tmp_path / "a.zip", **{f"p{number:02d}": f"<p>Text {number}." for number in range(20)})
    with pytest.raises(Killed):
        parse_many(tmp_path, tmp_path / output, engine=stop_after_a_shard)
    counts = parse_many(tmp_path, tmp_path / output, engine=in_turn)
    assert (counts.written, counts.skipped, counts.failed, list(counts.left_out)) == (4, 16, 0, [])
    assert ids(tmp_path / output) == [f"a.zip/p{number:02d}.html" for number in range(20)]


@with_pyarrow
def test_parts_of_a_killed_local_job_are_no_inputs_of_the_next(tmp_path):
    zip_of(tmp_path / "a.zip", **{f"p{number:02d}": f"<p>Text {number}." for number in range(20)})

    def stop(done, total):
        if done >= 16:
            raise Killed

    with pytest.raises(Killed):
        parse_many(tmp_path, tmp_path / "d.parquet", workers=1, progress=stop)
    assert list((tmp_path / "d.parquet.parts").iterdir())
    counts = parse_many(tmp_path, tmp_path / "d.parquet", workers=1)
    assert (counts.failed, list(counts.left_out)) == (0, [])
    assert ids(tmp_path / "d.parquet") == [f"a.zip/p{number:02d}.html" for number in range(20)]


# -- jobs of an engine that were killed --------------------------------------------------------------------------


@with_pyarrow
def test_the_local_engine_does_not_go_on_with_the_shards_of_another(pages, tmp_path):
    with pytest.raises(Killed):
        parse_many(pages, tmp_path / "d.parquet", main_only=True, engine=stop_after_a_shard)
    with pytest.raises(DataError, match=r"d\.parquet\.parts was begun by an engine; go on with it, or delete"):
        parse_many(pages, tmp_path / "d.parquet", workers=1)
    assert parse_many(pages, tmp_path / "d.parquet", main_only=True, engine=in_turn).skipped == 16


def shards_of(pages: Path, output: Path) -> tuple[Shards, list[Job]]:
    jobs = [Job(path.name, path) for path in sorted(pages.iterdir())]
    shards = Shards(output, schema=schema(), manifest={}, inputs=[job.id for job in jobs], per_shard=20)
    with shards.claimed():
        return shards, jobs


def die_as_killed(shards: Shards, jobs: list[Job], work) -> None:
    """Do a shard in a process that work may end."""
    child = os.fork()
    if not child:
        try:
            shards.do(0, jobs, work)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def killed_at_07(jobs):
    if any(job.id == "07.html" for job in jobs):
        os._exit(1)
    return ParsePages().table(jobs)


def killed_at_once(jobs):
    os._exit(1)


@with_pyarrow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_job_that_is_killed_often_sets_no_page_aside(pages, tmp_path):
    for _ in range(5):
        shards, jobs = shards_of(pages, tmp_path / "d")
        die_as_killed(shards, jobs, killed_at_07)
    shards, jobs = shards_of(pages, tmp_path / "d")
    shards.do(0, jobs, ParsePages().table)
    assert (shards.finish(), shards.problems([0])) == (20, [])


@with_pyarrow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_page_at_which_three_workers_of_one_run_died_is_set_aside(pages, tmp_path):
    shards, jobs = shards_of(pages, tmp_path / "d")
    for _ in range(5):
        die_as_killed(shards, jobs, killed_at_07)
    assert (shards.finish(), [one["id"] for one in shards.problems([0])]) == (19, ["07.html"])


@with_pyarrow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_worker_that_dies_of_its_model_is_no_death_of_a_page(pages, tmp_path):
    shards, jobs = shards_of(pages, tmp_path / "d")
    for _ in range(4):
        die_as_killed(shards, jobs, killed_at_once)
    with pytest.raises(DataError, match="a worker must live to load its model, but 4 died before their first input"):
        shards.do(0, jobs, ParsePages().table)


# -- links, names and counts -------------------------------------------------------------------------------------


def linked_out(pages: Path) -> None:
    (pages.parent / "secret.txt").write_text("<p>A secret.")
    try:
        (pages / "evil.html").symlink_to("../secret.txt")
        (pages / "kept.html").symlink_to("00.html")
    except OSError:
        pytest.skip("this system makes no links")


def test_a_link_that_leads_out_of_a_folder_is_named_and_not_read(pages, tmp_path):
    linked_out(pages)
    counts = parse_many(pages, tmp_path / "d.jsonl", workers=1)
    assert (counts.written, counts.failed) == (21, 1)
    assert "kept.html" in ids(tmp_path / "d.jsonl")
    assert list(problems(tmp_path)) == ["evil.html"]
    assert "leads out of" in problems(tmp_path)["evil.html"]
    assert "secret" not in (tmp_path / "d.jsonl").read_text()


def test_a_command_does_not_read_a_link_that_leads_out_of_its_folder(pages):
    from training.inputs import find_inputs

    linked_out(pages)
    by_name = {Path(one.id).name: one for one in find_inputs([pages])}
    assert len(by_name["kept.html"].document()) > 1
    with pytest.raises(DataError, match=r"evil\.html leads out of"):
        by_name["evil.html"].document()
    assert find_inputs([pages / "evil.html"])[0].document().text == "A secret."


@with_pyarrow
@pytest.mark.parametrize("output", ["d.parquet", "d"])
def test_an_engine_makes_an_empty_output_of_an_empty_folder(tmp_path, output):
    (tmp_path / "empty").mkdir()
    counts = parse_many(tmp_path / "empty", tmp_path / output, engine=in_turn)
    assert (counts.written, counts.failed, counts.truncated) == (0, 0, 0)
    assert ids(tmp_path / output) == []


@with_pyarrow
def test_what_failed_before_is_not_skipped_and_lowers_no_count(pages, tmp_path):
    (pages / "05.html.gz").write_bytes(b"not packed")
    with pytest.raises(Killed):
        parse_many(pages, tmp_path / "d", engine=stop_after_a_shard)
    counts = parse_many(pages, tmp_path / "d", engine=in_turn)
    assert (counts.written, counts.skipped, counts.failed) == (5, 15, 1)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_a_zip_holds_twice_is_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        for name, text in (("a.html", "First."), ("b.html", "Other."), ("a.html", "Second.")):
            archive.writestr(name, f"<p>{text}")
    counts = parse_many(tmp_path / "twice.zip", tmp_path / "d.jsonl", workers=1)
    assert (counts.written, counts.failed) == (2, 1)
    assert "must hold each name once, but holds a.html twice or more" in problems(tmp_path)["twice.zip"]
    assert [document.text for _, document in read_many(tmp_path / "d.jsonl")] == ["Second.", "Other."]
