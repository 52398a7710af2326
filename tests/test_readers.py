"""Data as it comes: marks, gaps, references, numbers, odd names, every kind of file; nothing is lost in silence.

What is right is taken from what was written, or from the library that writes such files (`datasets`, pandas).
"""

import csv
import gzip
import json
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from PIL import Image

from docgraph.errors import DataError
from training.datasets import Corpus, guess_format, load
from training.datasets.cells import decoded, is_missing, label_of, text_of
from training.datasets.image_files import find_image
from training.datasets.n24news import read_n24news
from training.datasets.rows import read_rows

ROWS = [
    {"text": "Bread, in a pot", "label": "kitchen"},
    {"text": 'She said "wait".\nThen left.', "label": "garden"},
    {"text": "Zoë's boat", "label": "harbour"},
]


def contents(corpus: Corpus) -> list[tuple[str, str | None]]:
    return [(record.origin.text(), record.label) for record in corpus.records()]


WANTED = [(row["text"], row["label"]) for row in ROWS]


# -- one table, every kind of file -------------------------------------------------------------------------------


def as_csv(separator: str) -> str:
    file = StringIO(newline="")
    csv.writer(file, delimiter=separator).writerows([("text", "label"), *WANTED])
    return file.getvalue()


LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
BY_COLUMN = {name: [row[name] for row in ROWS] for name in ROWS[0]}
WRITTEN = {
    "a.jsonl": LINES,
    "a.ndjson": LINES,
    "lines.json": LINES,
    "A.JSONL": LINES,
    "a.csv": as_csv(","),
    "semicolons.csv": as_csv(";"),
    "tabs.csv": as_csv("\t"),
    "a.tsv": as_csv("\t"),
    "list.json": json.dumps(ROWS, indent=1),
    "named.json": json.dumps({"version": 1, "data": ROWS}),
    "columns.json": json.dumps(BY_COLUMN),
    "pandas.json": json.dumps({name: {str(n): v for n, v in enumerate(some)} for name, some in BY_COLUMN.items()}),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", WRITTEN)
def test_a_table_reads_the_same_whatever_its_file_and_its_byte_order_mark(tmp_path, name, encoding):
    path = tmp_path / name
    path.write_bytes(WRITTEN[name].encode(encoding))
    assert guess_format(path) == "table"
    assert contents(load(path)) == WANTED
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert contents(load(packed)) == WANTED


def test_an_ending_in_capitals_is_the_same_ending(tmp_path):
    pandas = pytest.importorskip("pandas")
    pandas.DataFrame(ROWS).to_parquet(tmp_path / "A.PARQUET")
    assert contents(load(tmp_path / "A.PARQUET")) == WANTED


def test_a_json_list_of_news_is_news_and_of_texts_a_table(tmp_path):
    (tmp_path / "news.json").write_text(json.dumps([{"section": "Food", "headline": "Pie", "image_id": "1"}]))
    (tmp_path / "texts.json").write_text(json.dumps([{"section": "1.2", "text": "Pie", "label": "Food"}]))
    (tmp_path / "page.json").write_text(json.dumps({"headline": "Pie", "body": "Bake it."}))
    assert [guess_format(tmp_path / name) for name in ("news.json", "texts.json")] == ["n24news", "table"]
    with pytest.raises(DataError, match="looks like none of them"):
        guess_format(tmp_path / "page.json")


def test_what_is_broken_is_named(tmp_path):
    for name, content, message in (
        ("a.json", b'[{"text": "a"}, 3]', r"every record of .*a.json must be an object, but #1 is 3"),
        ("b.parquet", b"PAR1 no", r"b.parquet must be a parquet file, but "),
        ("c.jsonl.gz", gzip.compress(LINES.encode())[:-12], r"c.jsonl.gz must be a whole gzip file, but "),
        (
            "d.csv",
            b"text,label,text\na,b,c\n",
            r"every column of .*d.csv must have its own name, but 'text' comes twice",
        ),
        ("e.csv", b"", r"e.csv must hold rows, but holds none"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=message):
            load(tmp_path / name)


# -- what a cell means -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, float("nan"), "", "  ", "nan", "NaN", "<NA>"])
def test_nothing_is_nothing(value):
    assert (text_of(value), label_of(value), text_of([value, value])) == ("", None, "")


def test_references_are_the_characters_that_they_stand_for():
    assert decoded("Q&amp;A: caf&eacute; &#8220;x&#x201D; &lt;b&gt;") == "Q&A: café “x” <b>"
    for text in ("AT&T", "a & b; c", "&nosuch;", "x?a=1&copy=2", "&notit;", "&;"):
        assert decoded(text) == text


def test_labels_are_names():
    assert [label_of(value) for value in (3, 3.0, "3", 2.5, True, " a\u00a0 b ", ["x"], "None")] == [
        "3", "3", "3", "2.5", "True", "a b", "x", "None"
    ]  # fmt: skip
    assert not is_missing(0)
    assert label_of(0) == "0"


def test_gaps_that_pandas_wrote_make_no_class_and_no_text(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": ["One.", None, "Three."], "label": [1, None, 2]})
    frame.to_csv(tmp_path / "words.csv", na_rep="nan", index=False)
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_json(tmp_path / "a.json")
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    for name in ("a.parquet", "a.json", "a.jsonl"):
        corpus = load(tmp_path / name)
        assert contents(corpus) == [("One.", "1"), ("", None), ("Three.", "2")], name
        assert corpus.problem_counts == {"record.empty": 1}, name
    assert contents(load(tmp_path / "a.csv"))[1] == ("", None)
    corpus = load(tmp_path / "words.csv")
    assert contents(corpus)[1] == ("", None)
    assert corpus.problem_counts == {"label.word": 1, "body.word": 1, "record.empty": 1}


def test_a_class_named_none_is_kept_and_named(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\nfine,None\nvile,hate\n")
    corpus = load(tmp_path / "a.csv")
    assert [label for _, label in contents(corpus)] == ["None", "hate"]
    assert [problem.message for problem in corpus.problems] == [
        "the label is the word 'None' and read as a class of that name."
    ]


def test_several_labels_of_one_record_are_named_where_one_is_asked_for(tmp_path):
    rows = [{"text": "a", "label": ["x"]}, {"text": "b", "label": ["x", "y"]}]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    corpus = load(tmp_path / "a.json", problem_type="single_label_classification")
    assert contents(corpus) == [("a", "x"), ("b", None)]
    assert [problem.code for problem in corpus.problems] == ["label.several"]


def test_news_has_numbers_gaps_and_references_too(tmp_path):
    records = [
        {"section": 7, "headline": "A &amp; B", "abstract": float("nan"), "image_id": 12},
        {"section": float("nan"), "headline": "nan"},
    ]
    (tmp_path / "images").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "images" / "12.PNG", "PNG")
    (tmp_path / "nytimes_dataset.json").write_text("\ufeff" + json.dumps(records), encoding="utf-8")
    first, second = read_n24news(tmp_path).records()
    assert (first.label, first.fields, first.origin.text()) == ("7", ("headline", "image"), "A & B")
    assert (second.label, second.fields) == (None, ())


# -- pictures ----------------------------------------------------------------------------------------------------


def test_a_picture_is_found_with_or_without_its_ending_in_any_case(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("a.jpg", "B.JPG", "c.JPEG", "sub/d.png", "e.v2.jpg", "f.jpg", "f.png"):
        (tmp_path / name).write_bytes(b"")
    for name, found in {
        "a": "a.jpg",
        "a.jpg": "a.jpg",
        "A.Jpg": "a.jpg",
        "b": "B.JPG",
        "b.jpg": "B.JPG",
        "c.jpg": "c.JPEG",
        "sub/d": "sub/d.png",
        "e.v2": "e.v2.jpg",
        "f.png": "f.png",
        "f": "f.jpg",
        "missing": "missing",
    }.items():
        assert find_image(tmp_path, name) == found
    (tmp_path / "late.png").write_bytes(b"")
    assert find_image(tmp_path, "late") == "late.png"


def test_broken_pictures_in_a_parquet_table_are_named(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    whole = BytesIO()
    Image.effect_noise((60, 40), 80).convert("RGB").save(whole, "JPEG")
    pictures = [whole.getvalue(), whole.getvalue()[: len(whole.getvalue()) // 2], b"<html>", None]
    table = pyarrow.table({"id": list("abcd"), "label": list("xyxy"), "text": ["t"] * 4, "image": pictures})
    parquet.write_table(table, tmp_path / "t.parquet")
    corpus = load(tmp_path / "t.parquet")
    assert [record.origin.images for record in corpus.records()] == [(whole.getvalue(),), (), (), ()]
    assert [(problem.code, problem.record) for problem in corpus.problems] == [
        ("image.unreadable", "b"),
        ("image.unreadable", "c"),
    ]


# -- folders -----------------------------------------------------------------------------------------------------


def test_texts_in_folders_of_their_labels_are_read(tmp_path):
    for name, text in (("cats/1.txt", "Purr."), ("cats/2.md", "# Purr\n\nMore."), ("dogs/1.txt", "Bark.")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "README.txt").write_text("About the pets.")
    (tmp_path / "dogs" / "2.docx").write_bytes(b"PK")
    corpus = load(tmp_path)
    assert contents(corpus) == [("Purr.", "cats"), ("Purr\n\nMore.", "cats"), ("Bark.", "dogs")]
    assert [record.document().find("heading")[0].text for record in corpus.records()[1:2]] == ["Purr"]
    assert [(problem.code, problem.record) for problem in corpus.problems] == [
        ("file.left_out", "README.txt"),
        ("file.left_out", "dogs/2.docx"),
    ]


def test_files_without_endings_in_folders_of_their_labels_are_texts(tmp_path):
    """As 20 Newsgroups lies in its archive: 20news/sci.space/60191."""
    for name, content in {
        "sci.space/1": b"Orbit.",
        "sci.space/2": "\u00c9toile.".encode("utf-16"),
        "rec.autos/1": b"Wheels.",
        "rec.autos/tool": b"\x7fELF\0\0",
        "rec.autos/.hidden": b"x",
        "LICENSE": b"Free.",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    corpus = load(tmp_path)
    assert contents(corpus) == [("Wheels.", "rec.autos"), ("Orbit.", "sci.space"), ("\u00c9toile.", "sci.space")]
    assert [problem.record for problem in corpus.problems] == ["LICENSE", "rec.autos/tool"]
    (tmp_path / "sci.space" / "3.txt").write_text("Moon.")
    assert contents(load(tmp_path)) == [("Moon.", "sci.space")]


def test_tables_named_by_their_splits_are_one_data_set(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\na,x\nb,y\n")
    (tmp_path / "validation.csv").write_text("text,label\nc,x\n")
    (tmp_path / "test.csv").write_text("text\nd\n")
    (tmp_path / "README.md").write_text("# Letters\n")
    corpus = load(tmp_path)
    assert {name: [(r.origin.text(), r.label) for r in some] for name, some in corpus.splits.items()} == {
        "train": [("a", "x"), ("b", "y")],
        "dev": [("c", "x")],
        "test": [("d", None)],
    }


def write_saved(folder: Path, rows: list[dict[str, object]], parts: int = 1) -> None:
    """Write what `datasets` 5.2's `save_to_disk` writes: Arrow streams, the features in their schema, state.json."""
    pyarrow = pytest.importorskip("pyarrow")
    features = {
        "text": {"dtype": "string", "_type": "Value"},
        "label": {"names": ["neg", "pos"], "_type": "ClassLabel"},
    }
    told = {"huggingface": json.dumps({"info": {"features": features}})}
    schema = pyarrow.schema([("text", pyarrow.string()), ("label", pyarrow.int64())], metadata=told)
    folder.mkdir(parents=True)
    names = [f"data-{part:05}-of-{parts:05}.arrow" for part in range(parts)]
    size = -(-len(rows) // parts)
    for part, name in enumerate(names):
        table = pyarrow.Table.from_pylist(rows[part * size : (part + 1) * size], schema)
        with pyarrow.ipc.new_stream(str(folder / name), schema) as stream:
            stream.write_table(table)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))


def test_what_datasets_saved_is_read_with_the_names_of_its_classes(tmp_path):
    rows = [{"text": "good", "label": 1}, {"text": "bad", "label": 0}, {"text": "unknown", "label": -1}]
    write_saved(tmp_path / "one", rows, parts=2)
    assert contents(load(tmp_path / "one")) == [("good", "pos"), ("bad", "neg"), ("unknown", None)]
    write_saved(tmp_path / "many" / "train", rows)
    write_saved(tmp_path / "many" / "validation", rows[:1])
    (tmp_path / "many" / "dataset_dict.json").write_text('{"splits": ["train", "validation"]}')
    corpus = load(tmp_path / "many")
    assert {name: len(records) for name, records in corpus.splits.items()} == {"train": 3, "dev": 1}
    state = {"_data_files": [], "_indices_data_files": [{"filename": "indices.arrow"}]}
    (tmp_path / "one" / "state.json").write_text(json.dumps(state))
    with pytest.raises(DataError, match=r"Save it anew: `dataset\.flatten_indices\(\)"):
        load(tmp_path / "one")


@pytest.mark.parametrize("form", [lambda one: {"_type": "List", "feature": one}, lambda one: [one]])
def test_lists_of_classes_have_their_names(tmp_path, form):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    features = {"label": form({"names": ["neg", "pos"], "_type": "ClassLabel"})}
    told = {"huggingface": json.dumps({"info": {"features": features}})}
    schema = pyarrow.schema([("text", pyarrow.string()), ("label", pyarrow.list_(pyarrow.int64()))], metadata=told)
    rows = [{"text": "a", "label": [1, 0]}, {"text": "b", "label": [1]}, {"text": "c", "label": []}]
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema), tmp_path / "a.parquet")
    assert [record.labels for record in load(tmp_path / "a.parquet").records()] == [("pos", "neg"), ("pos",), ()]


def test_a_name_on_the_hub_is_fetched_or_is_one_sentence(tmp_path, monkeypatch):
    huggingface_hub = pytest.importorskip("huggingface_hub")
    pytest.importorskip("huggingface_hub.constants")  # no attribute of the package until it is imported
    pandas = pytest.importorskip("pandas")
    from training.datasets.hub import fetch

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"there is nothing at nobody/nothing-of-this-name and the hub gives none") as e:
        load("nobody/nothing-of-this-name")
    assert len(str(e.value).splitlines()) == 1
    for config in ("plain", "raw"):
        for split, some in (("train", ROWS), ("test", ROWS[:1])):
            (tmp_path / "cache" / config / split).mkdir(parents=True)
            pandas.DataFrame(some).to_parquet(tmp_path / "cache" / config / split / "0000.parquet")
    asked = []
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda repo, **rest: (asked.append((repo, rest)), tmp_path / "cache")[1]
    )
    fetch.cache_clear()
    corpus = load("owner/name:plain")
    assert asked[0][0] == "owner/name"
    assert asked[0][1]["revision"] == "refs/convert/parquet"
    assert {name: len(some) for name, some in corpus.splits.items()} == {"train": 3, "test": 1}
    with pytest.raises(DataError, match="must name one of its configurations, plain, raw: owner/name:plain"):
        load("owner/name")
    fetch.cache_clear()


# -- splits and order --------------------------------------------------------------------------------------------


def test_records_keep_the_order_of_their_file_and_equal_texts_stay_together(tmp_path):
    rows = [{"text": f"text {n % 40}", "label": str(n % 2)} for n in range(120)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    corpus = load(tmp_path / "a.jsonl")
    assert [text for text, _ in contents(corpus)] == [row["text"] for row in rows]
    texts = [{record.origin.text() for record in records} for records in corpus.splits.values()]
    assert [len(some) for some in texts] == [32, 4, 4]
    assert sum(map(len, texts)) == 40


def test_dev_records_can_be_drawn_where_there_are_none(tmp_path):
    rows = [{"text": f"text {n}", "label": "x", "split": "test" if n < 20 else "train"} for n in range(120)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = load(tmp_path / "a.jsonl")
    drawn = load(tmp_path / "a.jsonl", dev_share=0.1)
    assert {name: len(some) for name, some in given.splits.items()} == {"train": 100, "test": 20}
    assert {name: len(some) for name, some in drawn.splits.items()} == {"train": 90, "dev": 10, "test": 20}
    assert given["test"] == drawn["test"]


def test_rows_with_new_columns_further_down_are_read(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"label": "x", "title": "T"}\n{"label": "y", "text": "Body"}\n')
    assert contents(load(tmp_path / "a.jsonl")) == [("T", "x"), ("Body", "y")]
    assert list(read_rows(tmp_path / "a.jsonl"))[1] == {"label": "y", "text": "Body"}
