"""Article records: five fields in order, each of which may be missing; nothing of the label in the tree."""

import itertools
import json
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from docgraph import DataError, Document, Domain, ImageError, LimitError, Limits, parse_article
from docgraph.parsers.article import is_error_page

WHOLE = {
    "headline": "Ferry late.",
    "abstract": "It rained. The ferry waited.",
    "caption": "A ferry.",
    "body": "First one. Second one.\n\nThird.",
    "image": "ferry.jpg",
    "section": "Travel & Sea",
    "image_id": "travel/0001",
    "article_url": "https://example.org/travel/ferry-late",
    "image_url": "https://example.org/travel/1.jpg",
    "label_from": "travel-url",
}
ORDER = ["headline", "abstract", "caption", "body", "image"]


def picture(color=(9, 99, 200), size=(3, 2), mode="RGB") -> Image.Image:
    return Image.new(mode, size, color)


def png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("present", [c for n in range(6) for c in itertools.combinations(ORDER, n)])
def test_any_fields_may_be_missing_and_the_rest_keep_their_order(present):
    document = parse_article({name: WHOLE[name] for name in present} | {"section": "Arts"})
    assert [node.key for node in document.root.children] == list(present)
    assert document.root.domain is Domain.KEYED
    assert document.text == "\n\n".join(WHOLE[name] for name in present if name != "image")
    assert not document.warnings or not present


def test_the_tree_of_a_whole_record():
    document = parse_article(WHOLE)
    assert [(n.depth, n.kind, n.key, n.text) for n in document] == [
        (0, "article", None, document.text),
        (1, "field", "headline", "Ferry late."),
        (2, "sentence", None, "Ferry late."),
        (1, "field", "abstract", "It rained. The ferry waited."),
        (2, "sentence", None, "It rained."),
        (2, "sentence", None, "The ferry waited."),
        (1, "field", "caption", "A ferry."),
        (2, "sentence", None, "A ferry."),
        (1, "field", "body", "First one. Second one.\n\nThird."),
        (2, "paragraph", None, "First one. Second one."),
        (3, "sentence", None, "First one."),
        (3, "sentence", None, "Second one."),
        (2, "paragraph", None, "Third."),
        (3, "sentence", None, "Third."),
        (1, "field", "image", ""),
        (2, "image", None, ""),
    ]


def test_the_label_and_what_tells_it_stay_out_of_the_tree():
    document = parse_article({**WHOLE, "image": None, "extra": "travel"})
    assert document.metadata.section == "Travel & Sea"
    assert document.metadata.extra == {"id": "travel/0001"}
    assert document.metadata.title == "Ferry late."
    written = json.loads(document.to_json())
    del written["metadata"]
    assert "travel" not in json.dumps(written).lower()


@pytest.mark.parametrize("blank", [None, "", "  \n\t ", float("nan"), [], ["", " "]])
def test_blank_values_are_missing_ones(blank):
    document = parse_article({"headline": "H", "abstract": blank, "body": blank, "image": blank, "section": blank})
    assert [node.key for node in document.root.children] == ["headline"]
    assert document.metadata.section is None or isinstance(blank, list)
    assert len(parse_article({"headline": blank, "body": "B."}).root.children) == 1


def test_the_body_may_be_called_article_or_be_a_list_of_paragraphs():
    assert parse_article({"article": "A b."}).root.children[0].key == "body"
    assert parse_article({"body": " ", "article": "A b."}).text == "A b."
    assert [n.text for n in parse_article({"body": ["One.", " ", "Two."]}).find(kind="paragraph")] == [
        "One.",
        "Two.",
    ]


def test_an_empty_record_is_a_document_without_leaves_and_a_strange_one_says_so():
    assert len(parse_article({})) == 1
    assert not parse_article({}).warnings
    strange = parse_article({"title": "T", "text": "x"})
    assert [warning.code for warning in strange.warnings] == ["article.no_fields"]
    assert "['title', 'text']" in strange.warnings[0].message


@pytest.mark.parametrize("form", ["path", "str", "bytes", "pil", "hf-bytes", "hf-path", "data"])
def test_a_picture_may_be_given_in_any_form(tmp_path, form):
    import base64

    path = tmp_path / "a b%20?#1.png"
    path.write_bytes(png(picture()))
    value = {
        "path": path, "str": str(path), "bytes": path.read_bytes(), "pil": picture(),
        "hf-bytes": {"bytes": path.read_bytes(), "path": None}, "hf-path": {"bytes": None, "path": str(path)},
        "data": "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode(),
    }[form]  # fmt: skip
    document = parse_article({"image": value})
    assert document.images()[0].image.open().getpixel((1, 1)) == (9, 99, 200)
    again = Document.from_json(document.to_json())
    assert again.images()[0].image.open().getpixel((1, 1)) == (9, 99, 200)


@pytest.mark.parametrize(
    ("mode", "color"),
    [("L", 7), ("RGBA", (1, 2, 3, 4)), ("CMYK", (0, 0, 0, 0)), ("F", 2.0), ("1", 1), ("I;16", 500)],
)
def test_pillow_images_of_any_mode_are_taken(mode, color):
    document = parse_article({"image": picture(color, mode=mode)})
    assert document.images()[0].image.size() == (3, 2)


def test_several_pictures_are_a_set_and_may_lie_in_different_folders(tmp_path):
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "a.png").write_bytes(png(picture(size=(number, 1))))
    document = parse_article(
        {"image": [tmp_path / "1" / "a.png", str(tmp_path / "2" / "a.png"), picture(size=(3, 1)), None]}
    )
    assert [node.image.size() for node in document.images()] == [(1, 1), (2, 1), (3, 1)]
    assert document.root.children[0].domain is Domain.SET


def test_a_picture_behind_the_callers_own_link_opens(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "store" / "x.png").write_bytes(png(picture()))
    (tmp_path / "data" / "a.png").symlink_to(tmp_path / "store" / "x.png")
    assert parse_article({"image": tmp_path / "data" / "a.png"}).images()[0].image.size() == (3, 2)


def test_a_missing_picture_stays_a_node_that_says_so_when_opened():
    document = parse_article({"headline": "H", "image": Path("/nowhere/ferry.jpg")})
    assert document.root.children[1].key == "image"
    with pytest.raises(ImageError, match=r"ferry\.jpg cannot be read under /nowhere: there is no such file"):
        document.images()[0].image.open()


def test_with_a_folder_no_picture_is_read_outside_of_it(tmp_path):
    root = tmp_path / "imgs"
    root.mkdir()
    (root / "a%20b.png").write_bytes(png(picture()))
    (tmp_path / "secret.png").write_bytes(png(picture()))
    for name in ("a%20b.png", root / "a%20b.png"):
        assert parse_article({"image": name}, images=root).images()[0].image.size() == (3, 2)
    for name in (
        "../secret.png",
        str(tmp_path / "secret.png"),
        tmp_path / "secret.png",
        "file:///etc/passwd",
    ):
        assert parse_article({"image": name}, images=root).images()[0].image.status() in (
            "refused",
            "missing",
        )


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"headline": 5}, "field headline must be text or a list of paragraphs, but is a int: 5"),
        ({"body": {"a": 1}}, "field body must be text"),
        ({"image": 5}, "field image must be a path, bytes, a Pillow image or a list of these, but is a int"),
        ({"image": "a\0.png"}, "field image must name a file"),
    ],
)
def test_fields_of_a_wrong_type_are_named(record, message):
    with pytest.raises(DataError, match=message):
        parse_article(record)


def test_bounds_hold_for_articles_too():
    document = parse_article(WHOLE, limits=Limits(nodes=9))
    assert document.truncated
    assert len(document) <= 9
    few = parse_article({"image": [b"a", b"b", b"c"]}, limits=Limits(images=2))
    assert (len(few.images()), few.truncated, few.warnings[0].code) == (2, True, "limit.images")
    with pytest.raises(LimitError, match=r"Limits\.nodes=9"):
        parse_article(WHOLE, limits=Limits(nodes=9), strict=True)


@pytest.mark.parametrize(
    "body",
    [
        "Page not found. We're sorry, we seem to have lost this page, but we don't want to lose you.",
        "404 Not Found", "Error 503: Service Unavailable", "HTTP 404", "502 Bad Gateway\nnginx",
        "Please enable JS and disable any ad blocker", "Subscribe to continue reading.",
        "Log in or create an account to read this article.",
        "The page you are looking for could not be found.", "Access Denied. You don't have permission.",
        "Are you a robot?",
        "To continue reading, please subscribe.", "This article is no longer available.",
    ],
)  # fmt: skip
def test_error_pages_in_place_of_a_body_are_named_and_left_out(body):
    assert is_error_page(body)
    document = parse_article({"headline": "H", "body": body})
    assert document.text == "H"
    assert document.warnings[0].code == "article.error_page"
    assert body[:10] in document.warnings[0].message


@pytest.mark.parametrize(
    "body",
    [
        "The museum opened in 1904. Its first page of visitors found the halls empty.",
        "On the front page was found a poem. Some 500 errors later, the proof was done.",
        "He subscribed to the paper and continued to read. The article is available in print.",
        "Something, he thought, went wrong. The robot was denied.",
        "A court found that access was denied to them for years. " * 15
        + "Error 404 was the band's name; page not found, their song.",
    ],
)  # fmt: skip
def test_real_bodies_that_speak_of_errors_are_kept(body):
    assert not is_error_page(body)
    assert parse_article({"body": body}).text


def test_no_real_body_at_hand_is_taken_for_an_error_page(shared_data):
    records = json.loads((shared_data / "html_images/openstax/news/nytimes_train.json").read_text())
    bodies = [record["article"] for record in records]
    assert len(bodies) > 400
    assert not [body for body in bodies if is_error_page(body)]


def test_real_records_with_real_pictures(shared_data):
    folder = shared_data / "news/newsimages"
    records = json.loads((folder / "news/nytimes_dev.json").read_text())[:50]
    for record in records:
        document = parse_article({**record, "image": folder / "imgs" / f"{record['image_id']}.jpg"})
        assert document.text.startswith(record["headline"].strip())
        assert document.images()[0].image.status() in ("ok", "missing")
