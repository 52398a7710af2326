"""ParsePages and EmbedNodes: batches of any engine in, the rows of the local commands out."""

import pickle
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from docgraph import DataError, Document, Limits, ParsePages, load_document, parse_html
from docgraph.ids import hashed

with_arrow = pytest.mark.skipif(find_spec("pyarrow") is None, reason="needs the extra parquet")
PAGES = ["<title>One</title><h1>A</h1><p>First words.", "<h1>B</h1><p>Others of it, é.</p><p>More.", "<p>C"]


def forms(columns: dict) -> dict:
    """The same batch as each engine hands it over."""
    made = {"lists": columns, "arrays": {name: np.array(values, object) for name, values in columns.items()}}
    if find_spec("pyarrow"):
        import pyarrow

        made["table"] = pyarrow.table(columns)
        made["record batch"] = pyarrow.RecordBatch.from_pydict(columns)
    return made


def plain(batch) -> dict:
    columns = batch if isinstance(batch, dict) else batch.to_pydict()
    return {name: np.asarray(values).tolist() for name, values in columns.items() if name != "headings"}


FORMS = ["lists", "arrays", *([] if find_spec("pyarrow") is None else ["table", "record batch"])]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_batch_comes_back_in_that_form_with_the_same_rows(form):
    given = forms({"id": ["a", "b", "c"], "html": PAGES})
    made = pickle.loads(pickle.dumps(ParsePages()))(given[form])
    assert type(made) is type(given[form])
    columns = plain(made)
    assert columns == plain(ParsePages()(given["lists"]))
    assert columns["title"] == ["One", "B", None]
    assert columns["error"] == [None] * 3
    for text, page in zip(columns["document"], PAGES, strict=True):
        assert Document.from_json(text).same_as(parse_html(page))
    if form in ("table", "record batch"):
        assert made.schema == ParsePages().schema


def test_one_bad_page_costs_itself_and_says_why():
    made = ParsePages()({"id": ["a", "b", "c"], "html": ["<p>x", 7, None]})
    assert made["text"] == ["x", None, None]
    assert made["error"][1:] == [
        "DataError: a page must be text or bytes, but is int.",
        "DataError: a page must be text or bytes, but is NoneType.",
    ]
    made = ParsePages(limits=Limits(nodes=30), strict=True)({"html": ["<p>x", "<p>x</p>" * 99]})
    assert made["error"][0] is None
    assert made["error"][1].startswith("LimitError: ")


def test_pages_may_be_paths_or_the_bytes_of_files(tmp_path):
    (tmp_path / "a.html").write_bytes("<meta charset=latin1><p>é".encode("latin-1"))
    (tmp_path / "b.md").write_text("# Head")
    paths = [str(tmp_path / name) for name in ("a.html", "b.md", "none.html")]
    by_path = ParsePages()({"path": paths})
    assert by_path["text"][:2] == ["é", "Head"]
    assert by_path["error"][2].startswith("ParseError: ")
    assert by_path["id"] == paths
    data = [Path(path).read_bytes() for path in paths[:2]]
    assert ParsePages()({"bytes": data, "path": paths[:2]})["text"] == ["é", "Head"]


def test_keys_stay_the_same_and_change_with_page_name_and_settings():
    batch = {"id": ["a", "b"], "html": PAGES[:2]}
    keys = [*ParsePages()(batch)["key"], *ParsePages(main_only=True)(batch)["key"]]
    assert len(set(keys)) == 4
    assert ParsePages()({name: values[1:] for name, values in batch.items()})["key"] == keys[1:2]
    unnamed = ParsePages()({"html": PAGES[:2]})["id"]
    assert len(set(unnamed)) == 2
    assert ParsePages()({"html": PAGES[1::-1]})["id"] == unnamed[::-1]


def test_an_iterator_of_batches_gives_an_iterator_as_spark_wants_it():
    made = ParsePages()(iter([{"html": [page]} for page in PAGES]))
    assert iter(made) is made
    assert [one["text"] for one in made] == [ParsePages()({"html": [page]})["text"] for page in PAGES]


def test_what_is_no_batch_of_pages_is_refused():
    with pytest.raises(DataError, match="must have one of html, bytes, path, but has words"):
        ParsePages()({"words": ["x"]})
    with pytest.raises(DataError, match="must be a dict of columns or an Arrow table, but is a int"):
        ParsePages()(3)


def test_a_data_set_of_hugging_face_is_mapped():
    datasets = pytest.importorskip("datasets", reason="needs datasets")
    mapped = datasets.Dataset.from_dict({"html": PAGES}).map(ParsePages(), batched=True, batch_size=2)
    assert mapped["text"][:] == ParsePages()({"html": PAGES})["text"]


# -- EmbedNodes ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("sentence_transformers", reason="needs the extra embed")
    from tests.tiny_encoders import save_bert

    return save_bert(tmp_path_factory.mktemp("bert"))


@pytest.mark.parametrize("form", FORMS)
def test_rows_are_those_of_the_embedder(folder, form):
    from encoders import Embedder, EmbedNodes

    given = forms({"id": ["a", "b", "c"], "document": [parse_html(page).to_json() for page in PAGES]})
    job = pickle.loads(pickle.dumps(EmbedNodes(folder, ["document", "paragraph"])))
    made = job(given[form])
    wanted = Embedder.from_pretrained(folder).encode(
        [parse_html(page) for page in PAGES], ["document", "paragraph"], ids=["a", "b", "c"]
    )
    columns = plain(made)
    assert type(made) is type(given[form])
    assert tuple(columns["id"]) == wanted.id
    assert columns["document_id"] == wanted.document_id.tolist()
    assert columns["text"] == list(wanted.text)
    np.testing.assert_array_equal(np.array(columns["vector"], np.float32), wanted.vectors)
    assert len(set(columns["key"])) == len(wanted)
    assert job.embedder is not None
    assert "embedder" not in pickle.loads(pickle.dumps(job)).__dict__  # the model stays where it was loaded
    if form in ("table", "record batch"):
        assert made.schema == job.schema


def test_pages_go_through_both_and_bad_ones_keep_their_reason(folder):
    from encoders import EmbedNodes

    job = EmbedNodes(folder)
    batch = {"id": ["a", "b", "c"], "html": [PAGES[0], 7, PAGES[1]]}
    made = job(ParsePages()(batch))
    assert made["document_id"] == ["a", "c", "b"]
    assert made["error"] == [None, None, "DataError: a page must be text or bytes, but is int."]
    assert np.linalg.norm(made["vector"], axis=1).round(3).tolist()[2] == 0
    at_once = job(batch)
    assert at_once["key"] == made["key"]
    broken = job({"id": ["x", "y"], "document": ["{", None]})
    assert [error.split(":")[0] for error in broken["error"]] == ["DocumentError", "DataError"]
    assert broken["vector"].shape == (2, job.embedder.width)


# -- pages inside one file -------------------------------------------------------------------------------------


def record(url: str, page: str) -> bytes:
    body = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + page.encode()
    head = f"WARC/1.1\r\nWARC-Type: response\r\nWARC-Target-URI: {url}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body + b"\r\n\r\n"


WARC = [
    b"WARC/1.1\r\nWARC-Type: warcinfo\r\nContent-Length: 5\r\n\r\nhello\r\n\r\n",
    *(record(f"https://e.example/{number}", page) for number, page in enumerate([*PAGES, "<p>" + "long " * 60_000])),
    record("https://e.example/0", "<p>again"),
]


def archives(folder: Path) -> list[Path]:
    """The same pages in each kind of file."""
    import gzip
    import zipfile

    (folder / "plain.warc").write_bytes(b"".join(WARC))
    (folder / "records.warc.gz").write_bytes(b"".join(map(gzip.compress, WARC)))
    (folder / "whole.warc.gz").write_bytes(gzip.compress(b"".join(WARC)))
    with zipfile.ZipFile(folder / "pages.zip", "w") as archive:
        archive.writestr("sub/a.html", PAGES[0] + "<img src=b.png>")
        archive.writestr("sub/b.png", b"no image")
        archive.writestr("c.htm", PAGES[1])
    return sorted(folder.iterdir())


def test_each_page_in_an_archive_is_a_document_of_its_own(tmp_path):
    from docgraph import parse_many, read_many

    (tmp_path / "in").mkdir()
    files = archives(tmp_path / "in")
    counts = parse_many(tmp_path / "in", tmp_path / "d.jsonl", workers=1)
    assert (counts.written, counts.failed, list(counts.left_out)) == (3 * 5 + 2, 0, ["pages.zip/sub/b.png"])
    read = dict(read_many(tmp_path / "d.jsonl"))
    for file in files[1:]:
        named = {name.removeprefix(f"{file.name}/"): page for name, page in read.items() if name.startswith(file.name)}
        assert list(named) == [*(f"https://e.example/{n}" for n in (0,)), "https://e.example/0 #2",
                               *(f"https://e.example/{n}" for n in (1, 2, 3))]  # fmt: skip
        for number, page in enumerate(PAGES):
            assert named[f"https://e.example/{number}"].same_as(
                parse_html(page.encode(), url=f"https://e.example/{number}")
            )
        assert named["https://e.example/0 #2"].text == "again"
    assert read["pages.zip/c.htm"].text == load_document(tmp_path / "in" / "pages.zip")[1].text
    image = read["pages.zip/sub/a.html"].images()[0].image
    assert image.bytes() == b"no image"


def test_what_is_torn_gives_what_came_before_and_is_named(tmp_path):
    from docgraph import parse_many

    (tmp_path / "in").mkdir()
    for file in archives(tmp_path / "in"):
        file.write_bytes(file.read_bytes()[:-40])
    counts = parse_many(tmp_path / "in", tmp_path / "d.jsonl", workers=1)
    assert counts.failed == 4
    assert counts.written >= 3 * 4
    named = (tmp_path / "errors.jsonl").read_text()
    assert all(f'"id": "{name}"' in named for name in ("plain.warc", "records.warc.gz", "whole.warc.gz", "pages.zip"))


@with_arrow
def test_a_table_of_pages_has_a_document_a_row(tmp_path):
    import pyarrow
    import pyarrow.parquet

    from docgraph import parse_many, read_many

    columns = {"id": ["x", "y", None], "url": [None, "https://e.example/y", "https://e.example/z"], "html": PAGES}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet", row_group_size=2)
    parse_many(tmp_path / "t.parquet", tmp_path / "d.jsonl", workers=1)
    read = dict(read_many(tmp_path / "d.jsonl"))
    assert list(read) == ["t.parquet/https://e.example/z", "x", "y"]
    assert [page.text for page in read.values()] == [parse_html(PAGES[n]).text for n in (2, 0, 1)]
    assert read["y"].metadata.url == "https://e.example/y"
    pyarrow.parquet.write_table(pyarrow.table({"words": PAGES}), tmp_path / "bad.parquet")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1")
    counts = parse_many([tmp_path / "bad.parquet", tmp_path / "torn.parquet"], tmp_path / "e.jsonl", workers=1)
    assert (counts.written, counts.failed) == (0, 2)
    errors = (tmp_path / "errors.jsonl").read_text()
    assert "must have the column html, and may have id and url, but has words" in errors
    assert "must be a parquet file that can be read" in errors


# -- ids -------------------------------------------------------------------------------------------------------


def test_an_id_of_zero_is_an_id_and_an_empty_one_is_none():
    made = ParsePages()({"id": [0, "", None], "url": ["", "u", ""], "html": PAGES})
    assert made["id"] == ["0", "u", hashed(PAGES[2])]
    made = ParsePages()({"id": [0, ""], "html": PAGES[:2]})
    assert made["id"] == ["0", hashed(PAGES[1])]


@with_arrow
def test_a_row_without_an_id_takes_no_other_rows_id(tmp_path):
    import pyarrow
    import pyarrow.parquet

    from docgraph import parse_many, read_many

    columns = {"id": ["1", "", "0"], "url": ["", "", ""], "html": PAGES}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    counts = parse_many(tmp_path / "t.parquet", tmp_path / "d.jsonl", workers=1)
    assert (counts.written, counts.failed) == (3, 0)
    assert [name for name, _ in read_many(tmp_path / "d.jsonl")] == ["0", "1", "t.parquet/1"]
    pyarrow.parquet.write_table(pyarrow.table({"id": [0, 1, 2], "html": PAGES}), tmp_path / "n.parquet")
    parse_many(tmp_path / "n.parquet", tmp_path / "n.jsonl", workers=1)
    assert [name for name, _ in read_many(tmp_path / "n.jsonl")] == ["0", "1", "2"]


def test_each_document_that_fails_has_its_row_whatever_the_others_ids(folder):
    from encoders import EmbedNodes

    made = EmbedNodes(folder)({"id": ["x", "x", ""], "document": ["{", None, "["]})
    assert made["document_id"] == ["x", "x", hashed("[")]
    assert [error.split(":")[0] for error in made["error"]] == ["DocumentError", "DataError", "DocumentError"]
    assert len(made["vector"]) == len(made["id"]) == 3
