"""Chunks: nothing lost, nothing too large, along the structure, with the way back."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docgraph import Document, DocumentBuilder, Domain, parse_article, parse_html
from docgraph.errors import DocumentError

PAGES = sorted(Path("sample_data").glob("*/*.html"))
PAGE = """<html><head><title>Harbour news</title></head><body>
<nav><a href=/>Home</a> <a href=/x>Other</a></nav>
<main><h1>The ferry</h1><p>It rained. The ferry waited.</p>
<h2>Times</h2><p>See the table.</p>
<table><tr><th>Day</th><th>Time</th></tr><tr><td>Mon</td><td>10:00</td></tr><tr><td>Tue</td><td>11:00</td></tr></table>
<figure><img src=a.jpg alt="A cat on a pier"><figcaption>The cat, named Tom.</figcaption></figure>
<h2>Goods</h2><ul><li>Coal</li><li>Fish</li></ul></main>
<footer>Copyright</footer></body></html>"""


def letters(text: str) -> Counter[str]:
    return Counter("".join(text.split()))


def count_words(text: str) -> int:
    return len(text.split())


def count_letters(text: str) -> int:
    return len(text)


@pytest.mark.parametrize("max_tokens", [1, 7, 40, 256])
def test_every_letter_of_a_page_is_in_a_chunk_and_none_is_too_large(max_tokens):
    for page in PAGES[:8]:
        document = parse_html(page)
        chunks = document.chunks(max_tokens, count_words, boilerplate=True)
        missing = letters(document.text) - letters("".join(chunk.text for chunk in chunks))
        assert not missing, page
        assert max(count_words(chunk.contextualized) for chunk in chunks) <= max_tokens
        assert all(chunk.text in chunk.contextualized for chunk in chunks)


def test_a_chunk_is_a_slice_of_the_document_s_text():
    for page in PAGES[:8]:
        document = parse_html(page)
        for overlap in (0, 10):
            for chunk in document.chunks(50, overlap=overlap):
                if not {"table", "image"} & {document.kind[row] for row in chunk.rows}:
                    assert chunk.text == document.text[slice(*chunk.span)]


def test_headings_begin_the_first_chunk_of_their_section_and_stand_before_the_others():
    document = parse_html("<title>T</title><h1>Top</h1><h2>Sub</h2><p>One two three.</p><p>Four five six.</p>")
    first, second = document.chunks(6)
    assert first.text == "Top\n\nSub\n\nOne two three."
    assert first.contextualized == first.text
    assert second.text == "Four five six."
    assert second.contextualized == "Top\nSub\n\nFour five six."
    assert first.headings == second.headings == ("Top", "Sub")


def test_the_title_stands_for_a_missing_first_heading():
    document = parse_html("<title>Harbour</title><p>One.</p>")
    assert document.chunks()[0].contextualized == "Harbour\n\nOne."


def test_a_heading_with_nothing_under_it_is_a_chunk():
    document = parse_html("<h1>Top</h1><p>One.</p><h2>Empty</h2><h2>Full</h2><p>Two.</p>")
    assert [chunk.text for chunk in document.chunks()] == ["Top\n\nOne.", "Empty", "Full\n\nTwo."]


def test_outer_headings_go_first_where_the_path_is_too_long():
    document = parse_html("<h1>a b c d e f</h1><p>x.</p><h2>g h</h2><p>one.</p><p>two three four.</p>")
    chunk = document.chunks(5)[-1]
    assert chunk.contextualized == "g h\n\ntwo three four."
    assert chunk.headings == ("a b c d e f", "g h")


def test_boilerplate_is_left_out_unless_asked_for():
    document = parse_html(PAGE)
    text = " ".join(chunk.text for chunk in document.chunks())
    assert "Home" not in text
    assert "Copyright" not in text
    everything = " ".join(chunk.text for chunk in document.chunks(boilerplate=True))
    assert "Home" in everything
    assert "Copyright" in everything


def test_a_page_of_nothing_but_boilerplate_is_read():
    document = parse_html("<nav><a href=/>Home</a></nav>")
    assert [chunk.text for chunk in document.chunks()] == ["Home"]


def test_each_piece_of_a_table_has_the_header():
    document = parse_html(PAGE)
    pieces = [chunk.text for chunk in document.chunks(9) if chunk.kind == "table"]
    assert pieces == ["Day | Time\nMon | 10:00", "Day | Time\nTue | 11:00"]


def test_a_table_with_rows_longer_than_the_limit_loses_no_cell():
    cells = "".join(f"<tr><td>{'word ' * 9}{number}</td><td>x{number}</td></tr>" for number in range(5))
    document = parse_html(f"<table><tr><th>Head</th><th>Line</th></tr>{cells}</table>")
    chunks = document.chunks(8, count_words)
    assert not letters(document.text) - letters("".join(chunk.text for chunk in chunks))
    assert all(chunk.text.startswith("Head | Line\n") for chunk in chunks)
    assert max(count_words(chunk.contextualized) for chunk in chunks) <= 8


@pytest.mark.parametrize("max_tokens", [3, 9, 20])
def test_pieces_of_one_row_have_spans_of_their_own_and_the_path_of_their_cell(max_tokens):
    cells = "".join(
        f"<td>{' '.join(f'{name}{n}' for n in range(30))}. <img src=x alt='seen {name}'></td>" for name in "ab"
    )
    document = parse_html(f"<table><tr><th>Left<th>Right</tr><tr>{cells}</tr></table>")
    chunks = document.chunks(max_tokens)
    for before, after in pairwise(chunks):
        assert before.span[1] <= after.span[0]
    shown = "".join(document.text[slice(*chunk.span)] for chunk in chunks)
    assert letters(shown) == letters(document.text)
    for number in (0, 29):
        one = next(chunk for chunk in chunks if f"b{number}" in chunk.text.split() or f"b{number}." in chunk.text)
        assert f"b{number}" in document.text[slice(*one.span)]
    last = next(chunk for chunk in chunks if chunk.text.startswith("b15") or "b15 " in chunk.text)
    cell = next(node for node in document.find(kind="cell") if last.span[0] < node.span[1])
    assert last.kind == "table"
    assert last.dom_path == cell.source.xpath


def test_pieces_of_a_word_that_are_joined_again_stay_a_slice_of_the_text():
    document = parse_html(f"<h1>Endless</h1><p>{'abcdefghij' * 3000}</p>")
    for chunk in document.chunks(3):
        assert chunk.text == document.text[slice(*chunk.span)]


def test_a_list_that_fits_is_whole_and_one_that_does_not_is_cut_between_items():
    items = [f"item {number} has five words" for number in range(4)]
    document = parse_html("<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul><p>After.</p>")
    assert document.chunks(20)[0].text == "\n\n".join(items)
    halves = [chunk.text for chunk in document.chunks(10)]
    assert halves == ["\n\n".join(items[:2]), "\n\n".join(items[2:]), "After."]


def test_a_long_paragraph_is_cut_between_sentences_in_even_parts():
    sentences = [f"Sentence {number} ends now." for number in range(6)]
    document = parse_html("<p>" + " ".join(sentences) + "</p>")
    assert [chunk.text for chunk in document.chunks(20)] == [" ".join(sentences[:3]), " ".join(sentences[3:])]


def test_an_image_is_in_the_chunk_it_belongs_to():
    chunk = next(chunk for chunk in parse_html(PAGE).chunks() if "See the table" in chunk.text)
    (image,) = chunk.images
    assert (image.src, image.alt, image.caption) == ("a.jpg", "A cat on a pier", "The cat, named Tom.")
    assert "A cat on a pier" in chunk.contextualized
    assert "A cat on a pier" not in chunk.text


def test_a_long_alternative_text_is_cut_not_dropped():
    builder = DocumentBuilder()
    builder.open("page")
    builder.block("paragraph", "Text.")
    builder.leaf("image", attributes={"src": "a.jpg", "alt": "word " * 50})
    builder.close()
    document = builder.build()
    chunks = document.chunks(20)
    assert sum(chunk.contextualized.count("word") for chunk in chunks) == 50
    assert max(chunk.tokens for chunk in chunks) <= 20


def test_overlap_repeats_whole_sentences_of_the_same_section():
    document = parse_html("<p>" + " ".join(f"Sentence {number} ends now." for number in range(6)) + "</p>")
    before, after = document.chunks(16, overlap=5)[:2]
    assert after.text.startswith("Sentence 1 ends now. Sentence 2")
    assert before.text.endswith("Sentence 1 ends now.")
    assert document.text[slice(*after.span)] == after.text


def test_parents_come_before_their_parts_and_point_at_them():
    chunks = parse_html(PAGE).chunks(12, parents=True)
    by_id = {chunk.id: chunk for chunk in chunks}
    order = [chunk.id for chunk in chunks]
    assert len(by_id) == len(chunks)
    assert chunks[0].level == "document"
    assert chunks[0].parent_id is None
    for chunk in chunks[1:]:
        parent = by_id[chunk.parent_id]
        assert chunk.id in parent.children_ids
        assert order.index(parent.id) < order.index(chunk.id)
        assert parent.span[0] <= chunk.span[0] <= chunk.span[1] <= parent.span[1]
    assert sum(len(chunk.children_ids) for chunk in chunks) == len(chunks) - 1


def test_ids_are_the_same_for_the_same_page_and_settings_only():
    ids = [chunk.id for chunk in parse_html(PAGE).chunks(30)]
    assert ids == [chunk.id for chunk in parse_html(PAGE).chunks(30)]
    assert not {*ids} & {chunk.id for chunk in parse_html(PAGE).chunks(31)}
    assert not {*ids} & {chunk.id for chunk in parse_html(PAGE).chunks(30, count_words)}
    assert not {*ids} & {chunk.id for chunk in parse_html(PAGE, url="https://example.org/").chunks(30)}
    assert [chunk.id for chunk in parse_html(PAGE).chunks(30, document_id="a")] != ids


def test_the_fields_of_an_article_are_chunks_under_its_headline():
    document = parse_article({"headline": "News", "abstract": "Short. One.", "body": "First.\n\nSecond."})
    assert [(chunk.text, chunk.headings) for chunk in document.chunks()] == [
        ("News\n\nShort. One.", ("News",)),
        ("First.\n\nSecond.", ("News",)),
    ]


def test_chinese_is_counted_by_letters_and_cut():
    document = parse_html("<p>" + "渡轮停航。" * 20 + "</p>")
    chunks = document.chunks(30)
    assert len(chunks) == 4
    assert "".join(chunk.text for chunk in chunks) == document.text


def test_a_tokenizer_counts_with_its_special_tokens():
    class Tokenizer:
        def encode(self, text: str) -> list[int]:
            return [101, *range(len(text.split())), 102]

    document = parse_html("<p>" + " ".join(f"Sentence {number} ends now." for number in range(6)) + "</p>")
    chunks = document.chunks(14, Tokenizer())
    assert [chunk.tokens for chunk in chunks] == [14, 14]


def test_a_chunk_is_json():
    for chunk in parse_html(PAGE).chunks(parents=True):
        values = json.loads(json.dumps(chunk.to_dict()))
        assert values["text"] == chunk.text
        assert [image["alt"] for image in values["images"]] == [image.alt for image in chunk.images]


def test_wrong_numbers_are_named():
    document = parse_html(PAGE)
    with pytest.raises(DocumentError, match="max_tokens must be at least 1, but is 0"):
        document.chunks(0)
    with pytest.raises(DocumentError, match="overlap must lie between 0 and half of max_tokens=10, but is 6"):
        document.chunks(10, overlap=6)
    with pytest.raises(DocumentError, match="count must be a function of a text or a tokenizer, but is a int"):
        document.chunks(10, 5)


def test_a_document_of_great_depth_is_cut():
    builder = DocumentBuilder()
    for _ in range(20_000):
        builder.open("list")
    builder.block("item", "word " * 10)
    for _ in range(20_000):
        builder.close()
    assert [len(chunk.text.split()) for chunk in builder.build().chunks(5)] == [5, 5]


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Trees of all kinds, nested in any way."""
    builder = DocumentBuilder()
    builder.open("page", role=draw(st.sampled_from([None, "main", "nav"])))
    words = st.text("ab \n。漢.", max_size=30).map(str.strip)

    def grow(depth: int) -> None:
        for _ in range(draw(st.integers(0, 4))):
            kind = draw(st.sampled_from(["section", "group", "heading", "paragraph", "list", "table", "image", "code"]))
            role = draw(st.sampled_from([None, None, None, "nav", "main"]))
            if kind in ("section", "group", "list") and depth < 3:
                builder.open(kind, role=role)
                grow(depth + 1)
                builder.close()
            elif kind == "table":
                builder.open("table", domain=Domain.GRID, role=role)
                for row in range(draw(st.integers(0, 3))):
                    for column in range(2):
                        attributes = {"header": True} if row == 0 else None
                        builder.block("cell", draw(words), position=(row, column), attributes=attributes)
                builder.close()
            elif kind == "image":
                builder.leaf("image", attributes={"alt": draw(words)}, role=role)
            else:
                builder.block(kind, draw(words), role=role)

    grow(0)
    builder.close()
    return builder.build()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(documents(), st.integers(1, 12), st.booleans())
def test_whatever_the_tree_nothing_is_lost_and_nothing_is_too_large(document, max_tokens, by_letters):
    count = count_letters if by_letters else count_words
    chunks = document.chunks(max_tokens, count, boilerplate=True, overlap=max_tokens // 4)
    assert not letters(document.text) - letters("".join(chunk.text for chunk in chunks))
    said = letters("".join(chunk.contextualized for chunk in chunks))
    assert all(letters(str(node.attributes["alt"])) <= said for node in document.images())
    assert all(count(chunk.contextualized) <= max_tokens for chunk in chunks)
    assert len({chunk.id for chunk in chunks}) == len(chunks)
    main = document.chunks(max_tokens, count)
    assert not letters("".join(n.text for n in document.leaves() if n.role not in ("nav",) and n.kind != "image")) - (
        letters("".join(chunk.text for chunk in main))
    )
