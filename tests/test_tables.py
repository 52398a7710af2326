"""Tables as people have them: CSV and TSV, with their own columns."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from docgraph import DataError
from training.cli.options import column_options
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
    (tmp_path / "a.jsonl").write_bytes('{"text": "Zo\xeb", "label": "a"}'.encode("latin-1"))
    with pytest.raises(DataError, match=r"a.jsonl must be UTF-8 text"):
        load(tmp_path / "a.jsonl")
    path.write_text('text,label\n"never closed,a\n')
    with pytest.raises(DataError, match=r"a.csv:\d must be CSV, but unexpected end of data"):
        load(path)


def test_an_article_longer_than_the_csv_modules_bound_is_read(tmp_path):
    path = write(tmp_path / "a.csv", [("text", "label"), ("word " * 40_000, "a"), ("b", "b")])
    assert max(record.characters for s in load(path).splits.values() for record in s) == 199_999


def read(path: Path, **options: Any) -> tuple[list[tuple[str, str | None]], dict[str, int]]:
    """Return texts and labels in the order of the file, and problems by their kind."""
    corpus = load(path, **options)
    return [(record.origin.text(), record.label) for record in corpus.records()], dict(corpus.problem_counts)


# -- what spreadsheets leave behind ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("sep=;\ntext;label\none, two;a\nthree;b\n", "file.above"),
        ('sep=,\r\ntext,label\r\n"one, two",a\r\nthree,b\r\n', "file.above"),
        ('# exported 2024\n# by us\ntext,label\n"one, two",a\nthree,b\n', "file.above"),
        ('text,label,,\n"one, two",a,,\nthree,b,,\n', "column.unnamed"),
        ('text,label\n"one, two",a,\nthree,b,,\n', "row.longer"),
        ('text,label\n"one, two",a\nthree,b\n,\n,\n', "row.empty"),
    ],
)
def test_what_spreadsheets_leave_behind_is_passed_over_and_named(tmp_path, content, problem):
    (tmp_path / "a.csv").write_text(content, newline="")
    assert read(tmp_path / "a.csv") == ([("one, two", "a"), ("three", "b")], {problem: 1})


def test_a_column_named_with_a_hash_and_an_empty_row_between_others_stay(tmp_path):
    (tmp_path / "a.csv").write_text("#,text,label\n1,one,a\n,,\n2,#two,b\n,,\n")
    rows, problems = read(tmp_path / "a.csv")
    assert rows == [("one", "a"), ("", None), ("#two", "b")]  # whoever reads predictions beside the table counts on it
    assert problems == {"record.empty": 1, "row.empty": 1}
    (tmp_path / "b.csv").write_text("text,label,\none,a,\ntwo,b,a remark\n")
    assert load(tmp_path / "b.csv").columns == {"text": "body", "label": "label", "column 3": ""}


@pytest.mark.parametrize("encoding", ["cp1252", "cp1251", "utf-16", "utf-8-sig"])
def test_a_csv_is_read_in_its_encoding(tmp_path, encoding):
    text = "Привет, как дела? Сегодня хорошая погода, и мы идём гулять." if encoding == "cp1251" else (
        "Zoë déjà-vu à la carte: où est le café, très élégant, même s’il n’est pas français?"
    )  # fmt: skip
    (tmp_path / "a.csv").write_bytes(f'text,label\n"{text}",a\nplain,b\n'.encode(encoding))
    rows, problems = read(tmp_path / "a.csv")
    assert rows == [(text, "a"), ("plain", "b")]
    assert problems == ({"file.encoding": 1} if encoding.startswith("cp") else {})
    packed = tmp_path / "b.csv.gz"
    packed.write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    assert read(packed)[0] == rows


@pytest.mark.parametrize(
    "word",
    ["café", "naïve", "café naïve", "Müller", "señor", "garçon", "Ærø", "“q” – it’s", "20 €", "Zoë", "São Paulo"],
)
def test_rare_letters_in_a_windows_csv_are_those_that_were_written(tmp_path, word):
    rows = [(f"The match of day {n} was long and cold, says {word}.", "ab"[n % 2]) for n in range(60)]
    path = write(tmp_path / "a.csv", [("text", "label"), *rows], encoding="cp1252")
    assert read(path) == (rows, {"file.encoding": 1})


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy a šel domů, když večer začalo pršet."),
        ("cp1250", "Zażółć gęślą jaźń, a potem idź spać, bo jutro będzie długi i ciężki dzień w Łodzi."),
        ("cp1251", "Сегодня хорошая погода, и мы идём гулять в парк, а потом домой."),
        ("cp932", "今日は天気がいいので、公園まで散歩に行きました。とても楽しかったです。"),
    ],
)
def test_other_languages_in_their_code_pages_are_read(tmp_path, encoding, text):
    rows = [(f"{n}. {text}", "ab"[n % 2]) for n in range(20)]
    assert read(write(tmp_path / "a.csv", [("text", "label"), *rows], encoding=encoding))[0] == rows


@pytest.mark.parametrize(
    ("name", "way_out"), [("a.zip", "unpack it"), ("a.tar.gz", "unpack it"), ("A.XLSX", "save the sheet as CSV")]
)
def test_a_file_that_is_not_read_says_what_to_do_with_it(tmp_path, name, way_out):
    (tmp_path / name).write_bytes(b"PK\3\4")
    with pytest.raises(DataError, match=way_out):
        load(tmp_path / name)


# -- JSON in JSON ------------------------------------------------------------------------------------------------


def test_objects_in_a_record_are_columns_with_dotted_names(tmp_path):
    rows = [
        {"doc": {"title": "T", "body": {"text": f"text {n}"}}, "meta": {"category": "ab"[n % 2], "n": n}, "parts": []}
        for n in range(4)
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(
        DataError, match=r"doc\.title, doc\.body\.text, .*: --text doc\.body\.text --label meta\.category"
    ):
        load(path)
    assert read(path, fields={"body": "doc.body.text"}, label="meta.category")[0] == [
        ("text 0", "a"), ("text 1", "b"), ("text 2", "a"), ("text 3", "b")
    ]  # fmt: skip
    assert column_options(["doc.title", "doc.body.text"], None, None)["fields"] == {
        "headline": "doc.title",
        "body": "doc.body.text",
    }
    assert column_options(["text", "content"], None, None)["fields"] == {"body": "text", "content": "content"}


def test_lists_of_objects_are_columns_of_lists_and_no_object_becomes_text(tmp_path):
    rows = [{"parts": [{"text": "one"}, {"text": "two"}], "label": "a"}, {"parts": [], "label": "b", "text": {}}]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    assert read(tmp_path / "a.json", fields={"body": "parts.text"})[0] == [("one\n\ntwo", "a"), ("", "b")]
    deep: dict[str, Any] = {"x": "deep"}
    for _ in range(50):
        deep = {"d": deep}
    (tmp_path / "b.json").write_text(json.dumps([{"text": deep, "title": "t", "label": "a"}]))
    assert read(tmp_path / "b.json")[0] == [("t", "a")]


def test_a_json_object_with_a_list_a_split_is_a_data_set_with_splits(tmp_path):
    values = {"version": 1, "train": [{"text": "one", "label": "a"}], "validation": [{"text": "two", "label": "b"}]}
    (tmp_path / "a.json").write_text(json.dumps(values))
    corpus = load(tmp_path / "a.json")
    assert {name: [record.origin.text() for record in some] for name, some in corpus.splits.items()} == {
        "train": ["one"],
        "dev": ["two"],
    }


# -- words for nothing -------------------------------------------------------------------------------------------


def test_a_word_for_nothing_is_a_class_only_where_many_records_have_it(tmp_path):
    rows = [(f"text {n}", "ab"[n % 2]) for n in range(30)]
    path = write(tmp_path / "a.csv", [("text", "label"), *rows, ("odd", "N/A"), ("odder", "null")])
    labels = {record.label for record in load(path).records()}
    assert labels == {"a", "b", None}
    assert load(path).problem_counts["label.word"] == 2
    path = write(tmp_path / "b.csv", [("text", "label"), *rows, *((f"none {n}", "None") for n in range(10))])
    corpus = load(path)
    assert [record.label for record in corpus.records()].count("None") == 10
    assert {problem.message for problem in corpus.problems} == {
        "the label is the word 'None' and read as a class of that name."
    }


@pytest.mark.parametrize(("outer", "inner"), [("response", "docs"), ("data", "articles"), ("result", "results")])
def test_a_list_is_read_out_of_the_envelope_of_an_interface(tmp_path, outer, inner):
    rows = [{"text": f"text {n}", "label": "ab"[n % 2]} for n in range(20)]
    (tmp_path / "a.json").write_text(json.dumps({"status": "OK", outer: {inner: rows, "meta": {"hits": 20}}}))
    assert sum(map(len, load(tmp_path / "a.json").splits.values())) == 20


@pytest.mark.parametrize("above", ["Export of 1 May\n\n", "Export of 1 May;;\n;;\n"])
def test_a_title_and_an_empty_line_stand_above_the_names(tmp_path, above):
    path = tmp_path / "a.csv"
    path.write_text(f"{above}id;text;label\n0;a text;x\n1;another;y\n")
    notes = []
    assert [row["label"] for row in read_lines(path, notes)] == ["x", "y"]
    assert "'Export of 1 May" in dict(notes)["file.above"]
    for first in ("one text", "It rose, and fell"):  # a comma parts nothing where the names have none
        path.write_text(f"text\n\n{first}\nanother\n")
        assert [row["text"] for row in read_lines(path)] == [first, "another"]


def test_a_header_that_begins_with_a_hash_is_one_over_a_cell_of_several_lines(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('#id,text,label\n0,"a text, of\ntwo lines",x\n1,another,y\n')
    assert [row.get("#id") for row in read_lines(path)] == ["0", "1"]
