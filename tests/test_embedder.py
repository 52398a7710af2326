"""Vectors of nodes from an encoder as it is: what they are made of, what is read, what is left out."""

import socket

import numpy as np
import pytest
from PIL import Image
from sentence_transformers import SentenceTransformer

from docgraph import DocumentBuilder, parse_html, parse_text
from docgraph.errors import ModelError
from docgraph.metadata import Metadata
from encoders import DocumentConfig, Embedder, FeatureCache, NodeSettings, build_classifier
from encoders.embedder.late import windows
from encoders.embedder.texts import TextEncoder, batches
from tests.tiny_encoders import save_bert, save_image_text

PAGE = """<html><head><title>harbour</title></head><body><nav><a href=/>home</a></nav>
<main><h1>ferry</h1><p>it rained all day, and so the ferry waited.</p>
<h2>times</h2><p>see the table of the day, it is new.</p><p>one more paragraph of some words here.</p>
<figure><img src=a.jpg alt="a cat"><figcaption>the cat, named tom.</figcaption></figure>
<p>the end of the section is here, it is short.</p></main></body></html>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def plain(folder):
    """Vectors of passages alone: nothing is added."""
    return Embedder.from_pretrained(folder, settings=NodeSettings(title=0, headings=0, fill=1))


@pytest.fixture(scope="module")
def sentences(folder):
    return SentenceTransformer(str(folder), local_files_only=True, device="cpu")


def unit(vector):
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


def test_a_short_text_is_what_sentence_transformers_makes_of_it(folder, sentences):
    texts = ["it rained.", "the ferry waited.", "x"]
    found = Embedder.from_pretrained(folder).encode(texts)
    np.testing.assert_allclose(found.vectors, sentences.encode(texts), atol=1e-5)
    assert found.vectors.dtype == np.float32
    assert Embedder.from_pretrained(folder).width == 16


def test_minilm_is_the_default_and_its_own_normalisation_is_kept():
    embedder = Embedder.from_pretrained()
    text = "The ferry did not leave because of the storm."
    want = SentenceTransformer(str(embedder.reader.encoder.model[0].model.name_or_path), device="cpu").encode([text])
    np.testing.assert_allclose(embedder.encode(parse_text(text)).vectors, want, atol=1e-5)
    np.testing.assert_allclose(embedder.encode_query([text]), want, atol=1e-5)
    assert embedder.reader.max_tokens == 256


def test_prompts_of_the_model_stand_before_queries_and_documents(folder, tmp_path):
    model = SentenceTransformer(str(folder), prompts={"query": "q. ", "document": "d. "}, device="cpu")
    model.save(str(tmp_path / "prompted"))
    embedder = Embedder.from_pretrained(tmp_path / "prompted")
    np.testing.assert_allclose(embedder.encode_query(["ferry"]), model.encode(["q. ferry"]), atol=1e-5)
    np.testing.assert_allclose(embedder.encode(["ferry"]).vectors, model.encode(["d. ferry"]), atol=1e-5)
    np.testing.assert_allclose(embedder.encode_query("ferry"), model.encode_query(["ferry"]), atol=1e-5)


def test_a_node_of_several_blocks_is_the_mean_of_its_passages(plain, sentences):
    document = parse_html("<h1>ferry</h1><p>it rained all day.</p><p>the ferry waited.</p>")
    found = plain.encode(document, "section")
    want = sentences.encode(["it rained all day.", "the ferry waited."]).mean(0)
    np.testing.assert_allclose(found.vectors[0], want, atol=1e-5)


def test_a_document_is_the_mean_of_its_passages_by_their_letters_and_a_section_of_all_alike(folder, sentences):
    document = parse_html("<h1>x</h1><p>it rained.</p><p>the ferry waited all day long.</p>")
    short, long = "it rained.", "the ferry waited all day long."
    one, other = sentences.encode([short, long])
    settings = NodeSettings(title=0, headings=0, fill=1)
    found = Embedder.from_pretrained(folder, settings=settings).encode(document, ["document", "section"])
    want = (len(short) * one + len(long) * other) / (len(short) + len(long))
    np.testing.assert_allclose(found.vectors, [want, (one + other) / 2], atol=1e-5)
    settings = NodeSettings(title=0, headings=0, fill=1, by_length=False)
    found = Embedder.from_pretrained(folder, settings=settings).encode(document, "document")
    np.testing.assert_allclose(found.vectors[0], (one + other) / 2, atol=1e-5)


def test_title_and_headings_have_their_share(folder, sentences):
    settings = NodeSettings(title=0.5, headings=0.25, fill=1)
    document = parse_html("<title>harbour</title><h1>ferry</h1><p>it rained.</p><h2>times</h2><p>see the table.</p>")
    found = Embedder.from_pretrained(folder, settings=settings).encode(document, "section")
    title, ferry, times, rained, table = sentences.encode(["harbour", "ferry", "times", "it rained.", "see the table."])
    np.testing.assert_allclose(found.vectors[0], (rained + table) / 2 + 0.5 * title + 0.25 * ferry, atol=1e-5)
    np.testing.assert_allclose(found.vectors[1], table + 0.5 * title + 0.25 * (ferry + times) / 2, atol=1e-5)
    assert found.headings == (("ferry",), ("ferry", "times"))


def test_a_part_of_a_passage_is_read_alone(plain, sentences):
    document = parse_html("<p>it rained. the ferry waited.</p>")
    found = plain.encode(document, "sentence")
    np.testing.assert_allclose(found.vectors, sentences.encode(["it rained.", "the ferry waited."]), atol=1e-5)


def test_rows_say_where_each_vector_comes_from(folder):
    document = parse_html(PAGE)
    found = Embedder.from_pretrained(folder).encode([document, "x"], ["document", "section", "passage", "node"])
    assert found.vectors.shape == (len(found.id), 16)
    assert len(set(found.id)) == len(found.id)
    order = list(zip(found.document_id.tolist(), found.node_row.tolist(), strict=True))
    assert order == sorted(order)
    for place, row, kind, level, span, text in zip(
        found.document_id, found.node_row, found.kind, found.level, found.span, found.text, strict=True
    ):
        if place == 0 and level != "passage":
            assert document.kind[row] == kind
            assert document.span[row].tolist() == span.tolist()
            if kind not in ("image", "table"):
                assert document[int(row)].text == text
    assert "a cat" in " ".join(found.text)
    assert not any("home" in text for text, level in zip(found.text, found.level, strict=True) if level != "document")


def test_boilerplate_has_no_share_unless_asked_for(plain):
    with_menu = parse_html(PAGE)
    without = parse_html(PAGE.replace("<nav><a href=/>home</a></nav>", ""))
    np.testing.assert_allclose(plain.encode(with_menu).vectors, plain.encode(without).vectors, atol=1e-6)
    assert not np.allclose(plain.encode(with_menu, boilerplate=True).vectors, plain.encode(without).vectors)


def test_nothing_of_a_long_text_is_cut_off(plain):
    """The encoder reads 64 letters: the last word must still matter, in a document and in a question."""
    start = "a long way to go, " * 20
    first, second = plain.encode([start + "xxxxxxxx.", start + "qqqqqqqq."]).vectors
    assert np.abs(first - second).max() > 1e-4
    first, second = plain.encode_query([start + "xxxxxxxx.", start + "qqqqqqqq."])
    assert np.abs(first - second).max() > 1e-4


def test_an_image_is_its_words_with_a_share_of_the_passages_around_it(folder, sentences):
    builder = DocumentBuilder()
    builder.open("page")
    builder.block("paragraph", "before it.")
    builder.open("figure")
    builder.leaf("image", attributes={"alt": "a cat"})
    builder.block("caption", "named tom")
    builder.close()
    builder.block("paragraph", "after it.")
    builder.close()
    settings = NodeSettings(surroundings=0.5, fill=1)
    found = Embedder.from_pretrained(folder, settings=settings).encode(builder.build(), "image")
    words, before, after = sentences.encode(["a cat\nnamed tom", "before it.", "after it."])
    np.testing.assert_allclose(found.vectors[0], words + 0.25 * (before + after), atol=1e-5)
    assert found.text == ("a cat\nnamed tom",)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_an_image_text_model_reads_pixels(tmp_path, kind):
    model = save_image_text(tmp_path / "model", kind)
    Image.new("RGB", (40, 50), (200, 10, 10)).save(tmp_path / "red.png")
    (tmp_path / "page.html").write_text(
        "<p>some words.</p><p>a b <img src=red.png> c d</p><img src=gone.png alt=cat><p>end here.</p>"
    )
    document = parse_html(tmp_path / "page.html", images=tmp_path)
    embedder = Embedder.from_pretrained(model, settings=NodeSettings(surroundings=0))
    found = embedder.encode(document, "image", boilerplate=True)
    sentences = SentenceTransformer(str(model), local_files_only=True, device="cpu")
    red = unit(sentences.encode([Image.open(tmp_path / "red.png")])[0])
    np.testing.assert_allclose(found.vectors[0], red, atol=1e-4)
    assert [problem.message for problem in found.problems if "gone.png" in problem.message]
    np.testing.assert_allclose(found.vectors[1], unit(sentences.encode(["cat"])[0]), atol=1e-4)
    assert embedder.encode_query(["cat"]).shape == found.vectors[:1].shape


def test_late_vectors_are_the_means_of_token_states_of_the_page(folder, sentences):
    document = parse_html("<p>it rained all day.</p><p>the ferry waited.</p>")
    embedder = Embedder.from_pretrained(folder, context="late", settings=NodeSettings(fill=1))
    found = embedder.encode(document, "passage")
    states = sentences.encode(["it rained all day. the ferry waited."], output_value="token_embeddings")[0]
    letters = len("itrainedallday.")
    np.testing.assert_allclose(found.vectors[0], states[1 : 1 + letters].mean(0), atol=1e-5)
    np.testing.assert_allclose(found.vectors[1], states[1 + letters : -1].mean(0), atol=1e-5)


def test_windows_give_each_passage_once_with_context_and_within_the_length():
    lengths = [10, 20, 5, 30, 8, 8, 8, 60, 2]
    found = list(windows(lengths, 40))
    assert [place for one in found for place in range(one.start, one.end)] == list(range(len(lengths)))
    assert all(sum(lengths[one.first : one.end]) <= 40 for one in found if one.end - one.first > 1)
    assert all(sum(lengths[one.first : one.start]) <= 10 for one in found)
    assert any(one.first < one.start for one in found)


def test_equal_texts_are_read_once_and_kept_on_disk(folder, tmp_path, monkeypatch):
    read: list[str] = []
    forward = TextEncoder._forward

    def counted(self, inputs, prompt):
        read.extend(inputs)
        return forward(self, inputs, prompt)

    monkeypatch.setattr(TextEncoder, "_forward", counted)
    texts = ["one two.", "one two.", "three."]
    first = Embedder.from_pretrained(folder, cache=FeatureCache(tmp_path / "c.sqlite")).encode(texts)
    assert sorted(read) == ["one two.", "three."]
    again = Embedder.from_pretrained(folder, cache=tmp_path / "c.sqlite").encode(texts)
    assert len(read) == 2
    np.testing.assert_array_equal(first.vectors, again.vectors)


def test_batches_are_hardly_padded_and_hold_every_text_once():
    lengths = np.random.default_rng(0).integers(3, 256, 500).tolist()
    found = list(batches(lengths, 2048))
    assert sorted(place for group in found for place in group) == list(range(500))
    padded = sum(max(lengths[place] for place in group) * len(group) for group in found)
    assert padded <= 1.05 * sum(lengths)
    assert max(max(lengths[place] for place in group) * len(group) for group in found) <= 2048


def test_half_precision_and_empty_documents(folder):
    builder = DocumentBuilder()
    builder.open("page")
    builder.close()
    found = Embedder.from_pretrained(folder).encode([builder.build(), "x"], dtype="float16")
    assert found.vectors.dtype == np.float16
    assert found.empty == (0,)
    assert not found.vectors[0].any()
    titled = builder.build(metadata=Metadata(title="ferry"))
    assert Embedder.from_pretrained(folder).encode(titled).vectors.any()
    assert len(Embedder.from_pretrained(folder).encode([], "section")) == 0


def test_a_local_folder_touches_no_network(folder, monkeypatch):
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    assert Embedder.from_pretrained(folder).encode(["x"]).vectors.shape == (1, 16)


def test_wrong_uses_are_named(folder, tmp_path):
    embedder = Embedder.from_pretrained(folder)
    with pytest.raises(ModelError, match="a model reads Document objects, but number 0 is a int"):
        embedder.encode([3])
    with pytest.raises(ModelError, match="ids must name each of the 1 documents, but there are 2"):
        embedder.encode(["x"], ids=["a", "b"])
    with pytest.raises(ModelError, match='dtype must be "float32" or "float16"'):
        embedder.encode(["x"], dtype="int8")
    with pytest.raises(ModelError, match='context must be "alone" or "late"'):
        Embedder.from_pretrained(folder, context="early")
    with pytest.raises(ModelError, match="title must lie between 0 and 10, but is -1"):
        NodeSettings(title=-1)
    with pytest.raises(ModelError, match="must hold a text encoder, but cannot be loaded"):
        Embedder.from_pretrained(tmp_path)


def test_ids_of_the_call_name_documents_and_nodes(folder):
    embedder = Embedder.from_pretrained(folder)
    first = embedder.encode([PAGE], "node", ids=["a.html"])
    assert set(first.document_id) == {"a.html"}
    assert first.id == embedder.encode([PAGE], "node", ids=["a.html"]).id
    assert not {*first.id} & {*embedder.encode([PAGE], "node", ids=["b.html"]).id}
    chunks = parse_html(PAGE).chunks(document_id="a.html", parents=True)
    sections = embedder.encode(parse_html(PAGE), "section", ids=["a.html"]).id
    assert {chunk.id for chunk in chunks if chunk.level == "section"} == {*sections}


def test_the_leaves_of_a_classifier_are_those_of_the_encoder_it_was_built_on(folder, tmp_path, sentences):
    documents = [parse_text("it rained."), parse_text("the ferry waited.")]
    config = DocumentConfig(text_encoder="pretrained", hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    model = build_classifier(config, documents, ["a", "b"], text_encoder=folder)
    model.save_pretrained(tmp_path / "run")
    leaves = Embedder.from_pretrained(tmp_path / "run", of="leaves")
    np.testing.assert_allclose(
        leaves.encode(documents).vectors, sentences.encode(["it rained.", "the ferry waited."]), atol=1e-5
    )
    run = Embedder.from_pretrained(tmp_path / "run")
    np.testing.assert_allclose(
        run.encode(documents).vectors, model.encode(documents, "document", normalize=True).vectors, atol=1e-5
    )
    np.testing.assert_allclose(run.encode_query(["it rained."]), run.encode(documents).vectors[:1], atol=1e-5)
    assert "classes apart" in run.purpose
    with pytest.raises(ModelError, match='of must be "document" or "leaves", but is'):
        Embedder.from_pretrained(folder, of="leafs")
    with pytest.raises(ModelError, match='of="leaves" needs the run folder of a classifier, but the model is'):
        Embedder.from_pretrained(folder, of="leaves")
