"""Arguments of a wrong type: a sentence that names the argument, never an error of Python's or of a library's."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from docgraph import StaticEmbedder, parse_html, to_langchain
from docgraph.errors import DocgraphError
from docgraph.index import Index

PAGE = parse_html("<title>T</title><h1>Boat</h1><p>The keel is of oak.</p>")
WRONG: dict[str, tuple[Any, ...]] = {
    "whole": (None, 2.5, float("nan"), True, "5", b"5", [5], {}, object(), np.array([5]), np.True_),
    "text": (5, 2.5, True, b"x", ["x"], {5: "x"}, object()),
    "yes": (5, None, "no", ["x"], {}, object()),
    "many": (None, 5, 2.5, True, object()),
    "texts": (5, 2.5, b"x", [None], [["x"]], {5: "x"}, object()),
}


@pytest.fixture
def index(tmp_path):
    with Index.open(tmp_path / "x.index", StaticEmbedder(), create=True) as made:
        made.add([("boat", PAGE)])
        yield made


def told(call: Callable[[Any], object], values: tuple[Any, ...], name: str) -> None:
    for value in values:
        with pytest.raises(DocgraphError, match=name) as caught:
            call(value)
        message = str(caught.value)
        assert message.endswith(".")
        assert "\n" not in message
        assert len(message) < 300


def test_of_an_index(index, tmp_path):
    told(lambda value: index.search("keel", top=value), WRONG["whole"], "top must be a whole number, but is")
    told(lambda value: index.search("keel", kind=value), WRONG["text"], "kind must be str or NoneType")
    told(lambda value: index.search(value), (None, *WRONG["text"]), "a question must be a text")
    told(lambda value: index.search("keel", where={value: "x"}), (None, 5, b"language"), "where must have texts as")
    told(lambda value: index.search("keel", where={"language": value}), (None, *WRONG["text"]), "where must have texts")
    told(index.read, (None, *WRONG["text"]), "id must be str, but is")
    told(index.contents, (None, *WRONG["text"]), "document_id must be str, but is")
    told(index.remove, ("boat", *WRONG["many"], *WRONG["texts"]), "document_ids must be a list of str, but is")
    assert len(index) == 1  # the letters of an id are no ids
    told(index.add, WRONG["many"], "documents must be Document or Iterable")
    told(index.add_rows, WRONG["many"], "documents must be Iterable")
    for one in (np.int64(1), np.int8(1), np.array(1), 10**30):
        assert index.search("keel", top=one)[0].document_id == "boat"


class ByNumber:
    """What has items by their numbers and no more, as torch's data sets."""

    def __init__(self, *items: Any) -> None:
        self.items = items

    def __getitem__(self, place: int) -> Any:
        return self.items[place]


def test_many_are_given_in_any_way_that_one_can_go_through(index):
    embedder = StaticEmbedder()
    for made in (list, tuple, iter, ByNumber, dict.fromkeys):
        texts = ("a", "b")
        many = made(*texts) if made is ByNumber else made(texts)
        assert embedder.encode_query(many).shape == (2, 256)
    assert embedder.encode(ByNumber(PAGE, PAGE), ids={"x": 1, "y": 2}.keys()).document_id.tolist() == ["x", "y"]
    assert index.add(ByNumber(("x", PAGE))).written == 1
    assert index.remove({"x": PAGE}.keys()) == 1


def test_of_opening_an_index(tmp_path):
    new = tmp_path / "new.index"
    told(lambda value: Index.open(value, create=True), (None, *WRONG["many"], b"x", ["x"]), "path must be str or Path")
    told(lambda value: Index.open(new, value, create=True), ("MiniLM", 5, object()), "an embedder must have encode, ")
    told(lambda value: Index.open(new, create=True, max_tokens=value), WRONG["whole"][1:], "max_tokens must be a whole")
    told(lambda value: Index.open(new, create=True, store=value), (5, "redis", ["sqlite"]), 'store must be "sqlite"')
    assert not new.exists()

    class Place:
        def __fspath__(self) -> str:
            return str(new)

    Index.open(Place(), create=True).close()
    assert new.exists()


def test_of_chunks_and_what_other_frameworks_get():
    told(lambda value: PAGE.chunks(value), WRONG["whole"], "max_tokens must be a whole number, but is")
    told(PAGE.chunks, (0, -1), "max_tokens must be at least 1, but is")
    told(lambda value: PAGE.chunks(overlap=value), WRONG["whole"], "overlap must be a whole number, but is")
    told(lambda value: PAGE.chunks(count=value), ("words", 5, [len]), "count must be a function of a text or a tokeni")
    told(lambda value: PAGE.chunks(boilerplate=value), WRONG["yes"], "boilerplate must be bool, but is")
    told(lambda value: PAGE.chunks(document_id=value), WRONG["text"], "document_id must be str or NoneType")
    assert PAGE.chunks(np.int32(50)) == PAGE.chunks(50)
    pytest.importorskip("langchain_core")
    for value in (PAGE, [PAGE], "x", None, [5]):
        told(to_langchain, (value,), r"chunks must be a list of Chunk, but .* make them with document.chunks\(\)")


def test_of_an_embedder():
    told(lambda value: StaticEmbedder(value), ("x", 5), "settings must be NodeSettings")
    embedder = StaticEmbedder()
    told(embedder.encode_query, (None, *WRONG["texts"]), "texts must be a list of str, but is")
    told(embedder.encode, WRONG["many"], "documents must be documents or texts, but are")
    told(lambda value: embedder.encode(PAGE, value), (None, *WRONG["texts"]), "level must be a list of str, but is")
    told(lambda value: embedder.encode(PAGE, ids=value), ("x", *WRONG["texts"]), "ids must be a list of str, but is")
    told(lambda value: embedder.encode(PAGE, boilerplate=value), WRONG["yes"], "boilerplate must be bool, but is")


def test_of_loading_an_encoder():
    pytest.importorskip("torch")
    from encoders import Embedder

    def called(name: str) -> Callable[[Any], object]:
        return lambda value: Embedder.from_pretrained(**{name: value})

    told(called("name_or_path"), (5, b"x", ["x"], object()), "name_or_path must be str or Path")
    told(called("name_or_path"), ("",), "name_or_path must name a model, but is empty")
    told(called("settings"), ("x", 5), "settings must be NodeSettings")
    told(called("normalize"), (5, "yes"), "normalize must be bool")
    told(called("cache"), (5, ["x"], object()), "cache must be FeatureCache")
    told(called("device"), ("x", "", [], object(), True, "mps:9"), "device must be one that this machine's torch has")
