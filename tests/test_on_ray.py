"""The engine ray: the rows of the local engine, whole however often the job, a worker or a page dies."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from docgraph import DataError, ParsePages, parse_many, read_many
from docgraph.bulk.files import Job
from docgraph.bulk.on_ray import OnRay
from docgraph.bulk.rows import schema
from docgraph.bulk.shards import Shards, in_turn

parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra ray")
ray = pytest.importorskip("ray", reason="needs the extra ray")
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def cluster():
    """One cluster on this machine for all tests."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.fixture
def pages(tmp_path) -> Path:
    folder = tmp_path / "pages"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number:02d}.html").write_text(f"<title>T {number}</title><h1>H</h1><p>Text {number} of it, é.</p>")
    (folder / "07.html.gz").write_bytes(b"not packed")
    (folder / "notes.bin").write_bytes(b"\0")
    return folder


def problems(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "errors.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("output", ["d.parquet", "d"])
def test_parsed_on_ray_or_here_the_rows_are_the_same(pages, tmp_path, cluster, output):
    local = parse_many(pages, tmp_path / "local" / "d.parquet", workers=1)
    counts = parse_many(pages, tmp_path / "ray" / output, engine=OnRay(workers=2))
    assert (counts.written, counts.skipped, counts.failed) == (local.written, 0, local.failed) == (40, 0, 1)
    tables = [parquet.read_table(path) for path in (local.output, counts.output)]
    assert tables[0].equals(tables[1])
    assert problems(tmp_path / "ray") == problems(tmp_path / "local")
    assert [name for name, _ in read_many(counts.output)] == [f"{number:02d}.html" for number in range(40)]
    assert not list(tmp_path.glob("ray/*.lock"))


def test_vectors_made_on_ray_or_here_are_the_same(pages, tmp_path, cluster):
    pytest.importorskip("sentence_transformers", reason="needs the extra embed")
    from functools import partial

    from tests.tiny_encoders import save_bert
    from training.inputs import find_inputs
    from training.jobs.embed import embed
    from training.jobs.embedders import open_reader
    from training.jobs.shards import read_vectors

    load = partial(open_reader, str(save_bert(tmp_path / "bert")))
    inputs = find_inputs([pages])
    tables = []
    for name, engine in (("here.parquet", in_turn), ("on ray", OnRay(workers=1))):
        embed(load(), inputs, tmp_path / name, levels=["document", "paragraph"], engine=engine, load=load)
        tables.append(read_vectors(tmp_path / name))
    texts = [table.drop_columns(["vector"]) for table, _ in tables]
    assert texts[0].num_rows == 80
    assert texts[0].equals(texts[1])
    assert abs(tables[0][1] - tables[1][1]).max() < 1e-5


@pytest.mark.parametrize("model", [True, False])
def test_an_index_made_on_ray_is_that_which_is_made_here(pages, tmp_path, cluster, monkeypatch, capsys, model):
    pytest.importorskip("sentence_transformers", reason="needs the extra embed")
    from docgraph.index import Index
    from tests.letters import content
    from tests.tiny_encoders import save_bert
    from training import cli

    monkeypatch.chdir(tmp_path)
    chosen = ["--model", str(save_bert(tmp_path / "bert"))] if model else ["--words"]

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["docgraph", "index", "pages", "--quiet", *chosen, *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code

    def assert_same() -> None:
        ray, here = content(tmp_path / "ray.index"), content(tmp_path / "here.index")
        assert ray[:2] == here[:2]
        assert [name for name, _ in ray[2]] == [name for name, _ in here[2]]
        numbers = [np.array([np.frombuffer(vector, np.float32) for _, vector in one[2]]) for one in (ray, here)]
        np.testing.assert_allclose(*numbers, atol=1e-5)

    assert run("--output", "here.index") == 1  # 07.html.gz is not packed
    local = problems(tmp_path)
    assert run("--output", "ray.index", "--engine", "ray", "--workers", "2") == 1
    assert problems(tmp_path) == local
    assert_same()
    assert {one.suffix for one in tmp_path.glob("ray.index.*")} <= {".lock"}
    Path("pages/03.html").write_text("<h1>H</h1><p>Another oak.</p>")
    capsys.readouterr()
    assert run("--output", "ray.index", "--engine", "ray", "--workers", "2") == 1
    assert "1 documents written, 39 unchanged, 0 taken out, 1 set aside; now 40 documents" in capsys.readouterr().out
    assert run("--output", "here.index") == 1
    assert_same()
    with Index.open("ray.index") as index:
        assert [hit.document_id for hit in index.search("oak")] == ["pages/03.html"]


def test_an_index_whose_writer_is_killed_goes_on_from_its_shards(pages, tmp_path, monkeypatch):
    from docgraph.index import Index, index
    from tests.letters import Letters, content
    from training.inputs import SetAside, find_inputs
    from training.jobs.indexing import add_sharded

    inputs, done = find_inputs([pages]), []

    def add(name: str, engine=in_turn) -> index.Added:
        output = tmp_path / name
        with Index.open(output, Letters(), create=True) as made:
            return add_sharded(
                made, inputs, output, engine=engine, load=Letters, errors=SetAside(tmp_path / "e"), progress=done.append
            )

    def unwilling(work, shards, some):
        assert not shards.pending(), "shards that are done are not done again"
        return iter(())

    monkeypatch.setattr(index, "TOGETHER", 8)
    write, written = Index._write, []

    def killed(self, batch) -> None:
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(write(self, batch))

    monkeypatch.setattr(Index, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        add("a.index")
    monkeypatch.setattr(Index, "_write", write)
    added = add("a.index", unwilling)
    assert (added.written, added.unchanged) == (16, 24)
    add("b.index")
    assert content(tmp_path / "a.index") == content(tmp_path / "b.index")
    assert sum(done) == 3 * len(inputs)


def test_an_index_with_another_embedder_under_the_same_name_on_a_machine_is_refused(pages, tmp_path):
    from docgraph.index import Index
    from tests.letters import Letters
    from training.jobs.indexing import IndexWork

    with Index.open(tmp_path / "x.index", Letters(), create=True) as made:
        other = IndexWork(Letters, made.fingerprint + "2", made.max_tokens)
    with pytest.raises(DataError, match="every machine must have the embedder that the index is made with"):
        other([])


def test_more_workers_than_processors_are_refused(pages, tmp_path, cluster):
    with pytest.raises(DataError, match="at most the 2 processors of the Ray cluster, as each takes one, but are 3"):
        parse_many(pages, tmp_path / "d", engine=OnRay(workers=3))
    with pytest.raises(DataError, match=r"which has no suffix, but not .*d\.jsonl"):
        parse_many(pages, tmp_path / "d.jsonl", engine=OnRay())


def test_a_disk_that_cannot_be_written_ends_the_job_with_one_sentence(pages, tmp_path, cluster):
    with pytest.raises(DataError, match=r"must be able to do its shard, but .*No space left"):
        list(OnRay(workers=1)(no_space, shards_of(pages, tmp_path / "d"), jobs_of(pages)))


def jobs_of(pages: Path) -> list[Job]:
    return [Job(path.name, path) for path in sorted(pages.glob("*.html"))]


def shards_of(pages: Path, output: Path, per_shard: int = 8) -> Shards:
    names = [job.id for job in jobs_of(pages)]
    shards = Shards(output, schema=schema(), manifest={"x": 1}, inputs=names, per_shard=per_shard)
    with shards.claimed():
        return shards


def no_space(jobs):
    raise OSError(28, "No space left on device")


def deadly(jobs):
    if any(job.id == "11.html" for job in jobs):
        os.kill(os.getpid(), signal.SIGKILL)
    return ParsePages().table(jobs)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_page_that_kills_each_worker_costs_that_page_only(pages, tmp_path, cluster):
    shards = shards_of(pages, tmp_path / "d")
    pickle.loads(pickle.dumps(shards))
    assert sorted(OnRay(workers=2)(deadly, shards, jobs_of(pages))) == [0, 1, 2, 3, 4]
    assert shards.finish() == 39
    assert [(one["id"], one["error"]) for one in shards.problems(range(5))] == [("11.html", "WorkerDied")]
    assert not list((tmp_path / "d").glob("*.tries"))


# -- shards, without Ray ---------------------------------------------------------------------------------------


def test_shards_of_another_job_or_strange_files_are_refused(pages, tmp_path):
    shards_of(pages, tmp_path / "d")
    with pytest.raises(DataError, match="differs in per_shard"):
        shards_of(pages, tmp_path / "d", per_shard=5)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("years")
    with pytest.raises(DataError, match=r"must be empty or belong to this job, but holds thesis\.txt"):
        shards_of(pages, tmp_path / "other")
    assert (tmp_path / "other" / "thesis.txt").read_text() == "years"


def test_two_commands_do_not_write_into_one_output(pages, tmp_path):
    pytest.importorskip("fcntl")
    shards = shards_of(pages, tmp_path / "d")
    with shards.claimed(), pytest.raises(DataError, match="by one command at a time"):
        parse_many(pages, tmp_path / "d", engine=in_turn)


def test_a_machine_that_does_not_see_the_folder_says_so(pages, tmp_path):
    shards = shards_of(pages, tmp_path / "d")
    (tmp_path / "d").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="must lie on a file system that every machine of the cluster sees"):
        shards.do(0, jobs_of(pages)[:8], ParsePages().table)


KILLED = """
import sys
from docgraph import parse_many
from docgraph.bulk.on_ray import OnRay
if __name__ == "__main__":
    print(parse_many(sys.argv[1], sys.argv[2], engine=OnRay(workers=2)))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_job_whose_driver_is_killed_goes_on_and_has_every_row_once(tmp_path, cluster):
    pages = tmp_path / "pages"
    pages.mkdir()
    for number in range(600):
        (pages / f"{number:03d}.html").write_text("<h1>H</h1>" + f"<p>Text {number} of it. And more.</p>" * 60)
    script, output = tmp_path / "run.py", tmp_path / "d"
    script.write_text(KILLED)
    driver = subprocess.Popen(
        [sys.executable, script, pages, output], env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL
    )
    until = time.monotonic() + 120
    while len(list(output.glob("part-*.parquet"))) < 3 and driver.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    driver.kill()
    driver.wait()
    done = len(list(output.glob("part-*.parquet")))
    counts = parse_many(pages, output, engine=OnRay(workers=2))
    assert done >= 3
    assert counts.skipped >= 3 * 16
    assert counts.written + counts.skipped == 600
    assert [name for name, _ in read_many(output)] == [f"{number:03d}.html" for number in range(600)]


def test_a_node_that_is_killed_costs_no_row_and_doubles_none(tmp_path):
    """Two nodes on this machine, the second killed when a third of the pages is there, as the benchmark does it."""
    pages = tmp_path / "pages"
    pages.mkdir()
    for number in range(240):
        (pages / f"{number:03d}.html").write_text("<h1>H</h1>" + f"<p>Text {number} of it. And more.</p>" * 60)
    job = "import json, sys; from pathlib import Path; from benchmarks.scale.nodes import run; "
    job += "print(json.dumps(run(*map(Path, sys.argv[1:]))))"
    command = [sys.executable, "-c", job, pages, tmp_path / "out"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert 80 <= found["killed_at"] < 240
    assert found["nodes_alive"] == 1
    assert (found["written"], found["twice"]) == (240, 0)
    assert found["same_as_here"]


def test_no_other_command_imports_ray(pages, tmp_path):
    code = (
        "import sys\nfrom training import cli\n"
        f"sys.argv = ['docgraph', 'parse', {str(pages)!r}, '--output', {str(tmp_path / 'd.jsonl')!r}]\n"
        "try: cli.main()\nexcept SystemExit: pass\nprint('ray' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env={**os.environ}, check=True
    )
    assert done.stdout.split()[-1] == "False"
