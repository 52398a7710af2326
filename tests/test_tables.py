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
    path = write(tmp_path / "a.csv", [("opinion", "verdict"), ("Good.", "5")])
    with pytest.raises(
        DataError, match=r"but its columns are opinion, verdict. Name yours: --text opinion --label verdict"
    ) as error:
        load(path)
    assert error.value.options == "--text opinion --label verdict"
    (record,) = load(path, fields={"body": "opinion"}, label="verdict").records()
    assert (record.origin.text(), record.label) == ("Good.", "5")


@pytest.mark.parametrize(
    ("columns", "fields", "label"),
    [
        (("Review", "Stars"), {"Review": "body"}, "Stars"),
        (("category", "headline", "short description"), {"headline": "headline", "short description": "abstract"}, 0),
        (("Class Index", "Title", "Description"), {"Title": "headline", "Description": "abstract"}, "Class Index"),
        (("text", "label", "category"), {"text": "body"}, "label"),
        (("tweet", "sentiment", "photo", "id"), {"tweet": "body", "photo": "image", "id": "id"}, "sentiment"),
    ],
)
def test_common_names_of_columns_are_recognised(tmp_path, columns, fields, label):
    label = columns[label] if isinstance(label, int) else label
    cells = {name: f"what is in {name}" for name in columns} | {label: "5"}
    path = write(tmp_path / "a.csv", [columns, tuple(cells[name] for name in columns)])
    corpus = load(path)
    want = dict.fromkeys(columns, "") | fields | {label: "label"}
    assert corpus.columns == want
    (record,) = corpus.records()
    assert record.label == "5"
    text = {name for name, field in fields.items() if field not in ("image", "id")}
    assert sorted(record.origin.text().split("\n\n")) == sorted(cells[name] for name in text)


def test_columns_that_are_not_clear_are_named_with_what_to_type(tmp_path):
    two_texts = write(tmp_path / "a.csv", [("comment", "question", "label"), ("Good.", "Why?", "5")])
    with pytest.raises(
        DataError, match=r"but comment and question may be: .* Name yours: --text comment --label label"
    ):
        load(two_texts)
    two_labels = write(tmp_path / "b.csv", [("text", "category", "my stars"), ("Good.", "food", "5")])
    assert load(two_labels).columns["category"] == "label"
    two_labels = write(tmp_path / "b.csv", [("text", "category", "stars"), ("Good.", "food", "5")])
    corpus = load(two_labels)
    assert [record.label for record in corpus.records()] == [None]
    (problem,) = corpus.problems
    assert problem.code == "label.column"
    assert problem.message.endswith(
        "category and stars may be: its columns are text, category, stars. Name yours: --label category"
    )
    odd = write(tmp_path / "c.csv", [("what it's about", "kind of"), ("Good.", "5"), ("Long and bad.", "1")])
    with pytest.raises(DataError, match=r"--text 'what it'\"'\"'s about' --label 'kind of'$"):
        load(odd)
    with pytest.raises(DataError, match=r"has no reveiw: its columns are text, category, stars\. Name yours: --text"):
        load(two_labels, fields={"body": "reveiw"})


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
