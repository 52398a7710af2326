"""Tables as people have them: CSV and TSV, with their own columns."""

import csv
import gzip
from pathlib import Path

import pytest

from docgraph import DataError
from training.datasets import load
from training.datasets.lines import read_lines

ROWS = [("Bread, in a pot", "kitchen"), ('She said "wait".\nThen left.', "garden"), ("Zoë's boat", "harbour")]


def write(path: Path, rows: list[tuple[str, ...]], separator: str = ",", encoding: str = "utf-8") -> Path:
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=separator).writerows(rows)
    return path


@pytest.mark.parametrize(("name", "separator"), [("a.csv", ","), ("a.tsv", "\t"), ("A.CSV", ",")])
def test_a_table_is_read_whole(tmp_path, name, separator):
    path = write(tmp_path / name, [("text", "label"), *ROWS], separator, "utf-8-sig")  # Excel writes a byte order mark
    records = [record for records in load(path).splits.values() for record in records]
    assert sorted((record.origin.text(), record.label) for record in records) == sorted(ROWS)


def test_a_packed_table_reads_the_same(tmp_path):
    path = write(tmp_path / "a.csv", [("text", "label"), *ROWS])
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert list(read_lines(tmp_path / "b.csv.gz")) == list(read_lines(path))


def test_columns_of_any_name_are_mapped(tmp_path):
    path = write(tmp_path / "a.csv", [("review", "stars", "photo"), ("Good.", "5", ""), ("Bad.", "1", "")])
    corpus = load(path, fields={"body": "review", "image": "photo"}, label="stars")
    assert sorted((r.origin.text(), r.label) for s in corpus.splits.values() for r in s) == [
        ("Bad.", "1"),
        ("Good.", "5"),
    ]


def test_an_unknown_table_is_told_its_columns_and_the_way_out(tmp_path):
    path = write(tmp_path / "a.csv", [("review", "stars"), ("Good.", "5")])
    with pytest.raises(DataError, match=r"but its columns are review, stars. Name yours: --text COLUMN --label COLUMN"):
        load(path)


def test_broken_rows_are_named(tmp_path):
    path = write(tmp_path / "a.csv", [("text", "label"), ("one", "a"), ("two", "b", "c", "d")])
    with pytest.raises(
        DataError, match=r"a.csv:3 must have a cell for each of the columns text, label, but has 2 more"
    ):
        load(path)
    path.write_bytes("text,label\nZo\xeb,a\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"a.csv must be UTF-8 text"):
        load(path)
    path.write_text('text,label\n"never closed,a\n')
    with pytest.raises(DataError, match=r"a.csv:\d must be CSV, but unexpected end of data"):
        load(path)


def test_an_article_longer_than_the_csv_modules_bound_is_read(tmp_path):
    path = write(tmp_path / "a.csv", [("text", "label"), ("word " * 40_000, "a"), ("b", "b")])
    assert max(record.characters for s in load(path).splits.values() for record in s) == 199_999
