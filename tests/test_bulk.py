"""parse_many: the same output whatever the workers, nothing lost when killed, one bad page costs one page."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from docgraph import (
    DataError,
    Document,
    Limits,
    MissingExtraError,
    load_document,
    parse_many,
    read_many,
)
from docgraph.bulk.files import expand

ROOT = Path(__file__).resolve().parent.parent
with_pyarrow = pytest.mark.skipif(find_spec("pyarrow") is None, reason="needs the extra parquet")


@pytest.fixture
def pages(tmp_path) -> Path:
    folder = tmp_path / "pages"
    (folder / "sub").mkdir(parents=True)
    for number in range(20):
        place = folder / ("sub" if number % 3 else ".") / f"p{number:02d}.html"
        place.write_text(
            f"<html lang=en><title>Page {number}</title><h1>Head {number}</h1><p>Some text é. And more.</p>"
        )
    (folder / "notes.txt").write_text("not a page")
    return folder


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("suffix", [".jsonl", pytest.param(".parquet", marks=with_pyarrow)])
def test_every_page_is_written_once_in_order_and_reads_as_load_document_reads_it(pages, tmp_path, suffix):
    output = tmp_path / "out" / f"docs{suffix}"
    counts = parse_many(pages, output, workers=1)
    assert (counts.written, counts.skipped, counts.failed, counts.truncated) == (20, 0, 0, 0)
    read = list(read_many(output))
    names = sorted(path.relative_to(pages).as_posix() for path in pages.rglob("*.html"))
    assert [name for name, _ in read] == names
    assert all(document.same_as(load_document(pages / name)) for name, document in read)
    assert sorted(path.name for path in output.parent.iterdir()) == [output.name, "errors.jsonl"]
    assert [(line["id"], line["error"]) for line in lines(counts.errors)] == [("notes.txt", "LeftOut")]


def test_a_jsonl_line_is_a_document(pages, tmp_path):
    parse_many(pages, tmp_path / "d.jsonl", workers=1)
    first = (tmp_path / "d.jsonl").read_text(encoding="utf-8").splitlines()[0]
    assert Document.from_json(first).metadata.title == "Page 0"


def test_parquet_has_columns_to_filter_by(pages, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    parse_many(pages, tmp_path / "d.parquet", workers=1)
    rows = parquet.read_table(tmp_path / "d.parquet").to_pylist()
    assert (rows[0]["id"], rows[0]["title"], rows[0]["language"], rows[0]["kind"]) == (
        "p00.html",
        "Page 0",
        "en",
        "page",
    )
    assert rows[0]["text"].startswith("Head 0")
    assert rows[0]["nodes"] > 3


def test_two_processes_write_byte_for_byte_what_one_writes(pages, tmp_path):
    parse_many(pages, tmp_path / "one" / "d.jsonl", workers=1)
    parse_many(pages, tmp_path / "two" / "d.jsonl", workers=2)
    assert (tmp_path / "one" / "d.jsonl").read_bytes() == (tmp_path / "two" / "d.jsonl").read_bytes()


@pytest.mark.parametrize("suffix", [".jsonl", pytest.param(".parquet", marks=with_pyarrow)])
def test_a_second_run_adds_what_is_new_and_nothing_else(pages, tmp_path, suffix):
    output = tmp_path / f"d{suffix}"
    parse_many(pages, output, workers=1)
    before = output.read_bytes()
    assert parse_many(pages, output, workers=1).skipped == 20
    if suffix == ".jsonl":
        assert output.read_bytes() == before
    (pages / "new.html").write_text("<p>New.")
    counts = parse_many(pages, output, workers=1)
    assert (counts.written, counts.skipped) == (1, 20)
    assert [name for name, _ in read_many(output)][-1] == "new.html"
    assert len(list(read_many(output))) == 21


@pytest.mark.parametrize("cut", [1, 100, 1_000])
def test_a_torn_last_line_is_cut_off_and_written_again(pages, tmp_path, cut):
    output = tmp_path / "d.jsonl"
    parse_many(pages, output, workers=1)
    whole = output.read_bytes()
    output.write_bytes(whole[:-cut])
    counts = parse_many(pages, output, workers=1)
    assert counts.written >= 1
    assert output.read_bytes() == whole


def test_parts_of_a_killed_parquet_run_are_kept_and_torn_ones_left_out(pages, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    from docgraph.bulk import parquet

    monkeypatch.setattr(parquet, "_PART_ROWS", 3)
    output = tmp_path / "d.parquet"

    def stop(done, total):
        if done >= 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        parse_many(pages, output, workers=1, progress=stop)
    assert not output.exists()
    (tmp_path / "d.parquet.parts" / "part-00099.parquet.tmp").write_bytes(b"torn")
    counts = parse_many(pages, output, workers=1)
    assert counts.skipped >= 15
    names = [name for name, _ in read_many(output)]
    assert len(names) == len(set(names)) == 20
    assert sorted(path.name for path in tmp_path.glob("d.parquet*")) == ["d.parquet"]


def test_parts_that_a_kill_left_after_they_were_joined_are_not_read_twice(pages, tmp_path):
    output = tmp_path / "d.parquet"
    pytest.importorskip("pyarrow")
    parse_many(pages, output, workers=1)
    (tmp_path / "d.parquet.parts").mkdir()
    (tmp_path / "d.parquet.parts" / "part-00003.parquet").write_bytes(output.read_bytes())
    (pages / "new.html").write_text("<p>New.")
    parse_many(pages, output, workers=1)
    assert len([name for name, _ in read_many(output)]) == 21


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_outright_and_run_again_nothing_is_lost_or_doubled(tmp_path):
    pages = tmp_path / "pages"
    pages.mkdir()
    for number in range(400):
        (pages / f"{number:03d}.html").write_text("<h1>H</h1>" + f"<p>Text {number} of it. And more.</p>" * 60)
    output = tmp_path / "d.jsonl"
    script = (
        "from docgraph import parse_many\n"
        f"if __name__ == '__main__': parse_many({str(pages)!r}, {str(output)!r}, workers=1)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    waited = time.monotonic()
    while (
        (not output.exists() or output.stat().st_size < 200_000)
        and time.monotonic() - waited < 30
        and process.poll() is None
    ):
        time.sleep(0.01)
    process.kill()
    process.wait()
    counts = parse_many(pages, output, workers=1)
    assert counts.written + counts.skipped == 400
    assert [name for name, _ in read_many(output)] == [f"{number:03d}.html" for number in range(400)]


def test_bad_files_are_named_and_tried_again_next_time(pages, tmp_path):
    (pages / "bad.json").write_text("[1]")
    (pages / "é bad.html.gz").write_bytes(b"not packed")
    counts = parse_many([pages, pages / "bad.json"], tmp_path / "d.jsonl", workers=1)
    assert (counts.written, counts.failed) == (20, 2)
    assert counts.errors == tmp_path / "errors.jsonl"
    named = {line["id"]: (line["error"], line["message"]) for line in lines(counts.errors)}
    assert set(named) == {"bad.json", "é bad.html.gz", "notes.txt"}
    assert named["bad.json"][0] == "DataError"
    assert "holds a list" in named["bad.json"][1]
    (pages / "bad.json").write_text('{"headline": "Good now."}')
    (pages / "é bad.html.gz").unlink()
    counts = parse_many([pages, pages / "bad.json"], tmp_path / "d.jsonl", workers=1)
    assert (counts.written, counts.skipped, counts.failed) == (1, 20, 0)
    assert [line["id"] for line in lines(counts.errors)] == ["notes.txt"]


def test_limits_strict_and_main_only_are_passed_on(pages, tmp_path):
    (pages / "long.html").write_text(
        "<nav><a href=/>Home</a></nav><main>" + "<p>Much text of one page, and then some.</p>" * 50 + "</main>"
    )
    cut = parse_many(pages, tmp_path / "cut.jsonl", workers=1, limits=Limits(nodes=30))
    assert (cut.truncated, cut.failed) == (1, 0)
    strict = parse_many(pages, tmp_path / "strict.jsonl", workers=1, limits=Limits(nodes=30), strict=True)
    assert (strict.written, strict.failed) == (20, 1)
    assert lines(strict.errors)[0]["error"] == "LimitError"
    parse_many(pages, tmp_path / "main.jsonl", workers=1, main_only=True)
    assert "Home" not in dict(read_many(tmp_path / "main.jsonl"))["long.html"].text


def test_folders_without_pages_give_their_other_documents(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.md").write_text("# A")
    (tmp_path / "in" / "b.txt").write_text("b")
    (tmp_path / "in" / "c.bin").write_bytes(b"\0")
    parse_many(tmp_path / "in", tmp_path / "d.jsonl", workers=1)
    assert [name for name, _ in read_many(tmp_path / "d.jsonl")] == ["a.md", "b.txt"]


def test_files_of_the_same_name_in_two_folders_keep_apart(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.html").write_text(f"<p>{folder}")
    parse_many([tmp_path / "a", tmp_path / "b"], tmp_path / "d.jsonl", workers=1)
    assert [name for name, _ in read_many(tmp_path / "d.jsonl")] == ["a/x.html", "b/x.html"]


def test_progress_is_told_from_the_first_to_the_last_file(pages, tmp_path):
    told = []
    parse_many(pages, tmp_path / "d.jsonl", workers=1, progress=lambda done, total: told.append((done, total)))
    assert told[0] == (0, 20)
    assert told[-1] == (20, 20)
    assert told == sorted(told)


DEADLY = """
import os, time
from pathlib import Path
import docgraph.load
from docgraph import parse_many
from docgraph.bulk import pages
real = pages.load_document
def load(path, **options):
    if "die" in Path(path).name: os._exit(9)
    if "hang" in Path(path).name: time.sleep(60)
    if "bug" in Path(path).name: raise ZeroDivisionError("a bug")
    return real(path, **options)
pages.load_document = load   # each spawned process runs this too
if __name__ == "__main__":
    import sys
    print(parse_many(sys.argv[1], sys.argv[2], workers=2, seconds=1.0))
"""


def test_a_page_that_kills_hangs_or_breaks_its_process_costs_that_page_only(pages, tmp_path):
    for name in ("die", "hang", "bug"):
        (pages / f"{name}.html").write_text("<p>x")
    script = tmp_path / "run.py"
    script.write_text(DEADLY)
    done = subprocess.run(
        [sys.executable, script, pages, tmp_path / "d.jsonl"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    assert "written=20" in done.stdout, done.stderr
    named = {line["id"]: line["error"] for line in lines(tmp_path / "errors.jsonl")}
    assert named == {
        "die.html": "BrokenProcessPool",
        "hang.html": "TimeoutError",
        "bug.html": "ZeroDivisionError",
        "notes.txt": "LeftOut",
    }


def test_two_runs_into_one_output_do_not_mix(pages, tmp_path):
    pytest.importorskip("fcntl")

    def again(done, total):
        if done == 0:
            with pytest.raises(DataError, match="must be written by one command at a time"):
                parse_many(pages, tmp_path / "d.jsonl", workers=1)

    assert parse_many(pages, tmp_path / "d.jsonl", workers=1, progress=again).written == 20


def test_wrong_use_is_one_clear_error(pages, tmp_path):
    with pytest.raises(DataError, match=r"must end in \.jsonl or \.parquet, but .*d\.csv does not"):
        parse_many(pages, tmp_path / "d.csv")
    with pytest.raises(DataError, match=r"every path to parse must exist, but .*nowhere does not"):
        parse_many(tmp_path / "nowhere", tmp_path / "d.jsonl")
    (tmp_path / "other.jsonl").write_text('{"x": 1}\n')
    with pytest.raises(DataError, match="must hold documents that parse_many wrote"):
        parse_many(pages, tmp_path / "other.jsonl")
    assert (tmp_path / "other.jsonl").read_text() == '{"x": 1}\n'
    with pytest.raises(DataError, match="neither"):
        list(read_many(tmp_path / "d.csv"))
    with pytest.raises(DataError, match="can be read"):
        list(read_many(tmp_path / "none.jsonl"))
    assert expand([]).jobs == []


@with_pyarrow
def test_a_file_that_is_no_parquet_is_refused_and_kept(pages, tmp_path):
    (tmp_path / "other.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match="must be a parquet file"):
        parse_many(pages, tmp_path / "other.parquet")
    assert (tmp_path / "other.parquet").read_bytes() == b"no parquet"


def test_parquet_without_pyarrow_names_the_extra(pages, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r'a parquet file needs pyarrow, .* pip install "docgraph\[parquet\]"'):
        parse_many(pages, tmp_path / "d.parquet")


def test_files_that_are_left_out_are_told_and_the_output_is_none_of_them(pages):
    (pages / "readme.md").write_text("# Read me")
    (pages / "sub" / "style.css").write_text("p {}")
    counts = parse_many(pages, pages / "d.jsonl", workers=1)
    assert (counts.written, counts.failed) == (20, 0)
    assert counts.left_out == ["notes.txt", "readme.md", "sub/style.css"]
    assert [line["id"] for line in lines(counts.errors)] == counts.left_out
    assert parse_many(pages, pages / "d.jsonl", workers=1).left_out == counts.left_out


def test_pages_have_the_addresses_that_they_are_given(pages, tmp_path):
    name = sorted(path.relative_to(pages).as_posix() for path in pages.rglob("*.html"))[0]
    parse_many(pages, tmp_path / "d.jsonl", workers=1, urls={name: "https://e.example/1"})
    assert {document.metadata.url for _, document in read_many(tmp_path / "d.jsonl")} == {"https://e.example/1", None}


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="file names are Unicode on this system")
@pytest.mark.parametrize("suffix", [".jsonl", pytest.param(".parquet", marks=with_pyarrow)])
def test_names_that_are_no_utf_8_are_ids_of_their_own_and_known_again(tmp_path, suffix):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    folder = tmp_path / "in"
    folder.mkdir()
    for name in (b"caf\xe9.html", b"caf\xe8.html", b"cut\xff.html.gz"):
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_bytes(b"<p>Words.")
    output = tmp_path / f"d{suffix}"
    counts = parse_many(folder, output, workers=1)
    assert (counts.written, counts.failed) == (2, 1)
    assert lines(counts.errors)[0]["id"] == "cut%FF.html.gz"
    assert [name for name, _ in read_many(output)] == ["caf%E8.html", "caf%E9.html"]
    again = parse_many(folder, output, workers=1)
    assert (again.written, again.skipped) == (0, 2)
    Path(folder / "caf%E9.html").write_text("<p>Another file, whose id would be the same.")
    clash = parse_many(folder, output, workers=1)
    assert (clash.written, clash.failed) == (0, 2)
    assert "this stands for two" in lines(clash.errors)[0]["message"]


ORPHANS = """
import os, sys, time
from docgraph import parse_many
from docgraph.bulk import pages
def load(path, **options):
    with open(os.environ["PIDS"], "a") as file: file.write(f"{os.getpid()}\\n")
    time.sleep(120)
pages.load_document = load
if __name__ == "__main__": parse_many(sys.argv[1], sys.argv[2], workers=2, seconds=0)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_processes_that_parse_die_with_the_one_that_started_them(pages, tmp_path):
    script, pids = tmp_path / "run.py", tmp_path / "pids"
    script.write_text(ORPHANS)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PIDS": str(pids)}
    process = subprocess.Popen([sys.executable, script, pages, tmp_path / "d.jsonl"], env=environment)
    assert eventually(lambda: pids.exists() and len(set(pids.read_text().split())) == 2)
    process.kill()
    process.wait()
    assert eventually(lambda: not any(alive(int(pid)) for pid in pids.read_text().split()))


def eventually(holds, seconds=60.0):
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return holds()


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")
