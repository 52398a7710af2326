"""Bytes of pages to text: the order of evidence, and what is said about it."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docgraph.parsers.decode import declared_encoding, decode
from docgraph.parsers.html.page import parse_html

RUSSIAN = "Вчера в городе прошёл дождь, и на улицах никого не было. Сегодня снова светит солнце, люди гуляют. " * 4
JAPANESE = "昨日は東京で雨が降りました。今日は晴れていて、多くの人が公園を散歩しています。とても良い天気です。" * 4
GERMAN = "Die Stadtbücherei an der Mühlstraße öffnet am Montag wieder. "


def test_a_byte_order_mark_beats_all():
    for mark, name in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        got = decode(mark + "<meta charset=koi8-r>é".encode(name))
        assert (got.text, got.encoding, got.source) == ("<meta charset=koi8-r>é", name, "bom")


def test_utf_8_beats_a_wrong_label():
    got = decode(b"<meta charset=windows-1252>" + "žluť".encode())
    assert (got.text[-4:], got.encoding, got.source) == ("žluť", "utf-8", "utf-8")


def test_a_label_counts_if_it_decodes():
    page = f"<html><meta charset=windows-1251><p>{RUSSIAN}".encode("windows-1251")
    got = decode(page)
    assert (got.encoding, got.source) == ("cp1251", "declared")
    assert RUSSIAN in got.text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(RUSSIAN, "koi8-r"), (RUSSIAN, "windows-1251"), (JAPANESE, "shift_jis"), (JAPANESE, "euc-jp")],
)
@pytest.mark.parametrize("label", ["", "<meta charset=utf-8>", "<meta charset=nonsense>"])
def test_an_encoding_that_is_not_or_wrongly_declared_is_detected(text: str, encoding: str, label: str):
    got = decode(f"<html>{label}<p>{text}</p>".encode(encoding))
    assert text in got.text
    assert got.source == "detected"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Der Zug nach Zürich fährt um acht – pünktlich.", "cp1252"),
        ("Båten går från hamnen klockan åtta på lördag.", "cp1252"),
        ("Byen får en ny skole ved åen.", "cp1252"),
        ("Les élèves ont visité le château près de la forêt.", "cp1252"),
        ("Los niños jugaron en el jardín.", "cp1252"),
        ("Prom odpływa z portu o godzinie ósmej w sobotę.", "cp1250"),
        ("Grad gradi novu školu uz rijeku, a učenici čekaju.", "cp1250"),
        ("Vapur cumartesi günü saat sekizde limandan kalkıyor.", "cp1254"),
        ("המעבורת יוצאת מהנמל בשעה שמונה בשבת.", "cp1255"),
        ("渡轮星期六八点从港口出发。", "gb18030"),
        ("渡輪星期六八點從港口出發。", "big5"),
    ],
)
def test_one_sentence_is_enough_to_tell_the_encoding(text: str, encoding: str):
    pytest.importorskip("chardetng_py")
    assert decode(text.encode(encoding)).text == text
    assert decode(text.encode(encoding)).unsure
    for language in ("en", "zh"):
        assert decode(f"<html lang={language}><p>{text}".encode(encoding)).text.endswith(text)


def test_the_language_of_a_page_says_which_of_two_encodings_it_is():
    pytest.importorskip("chardetng_py")
    page = "<html lang=hu><p>Őszi szünet lesz jövő héten."
    assert decode(page.encode("cp1250")).text == page


@pytest.mark.parametrize(
    ("text", "encoding"), [(RUSSIAN, "koi8-r"), (JAPANESE, "euc-jp"), (f"{GERMAN} für den Turm, über", "cp1252")]
)
def test_without_the_detector_of_browsers_another_one_is_asked(monkeypatch, text: str, encoding: str):
    monkeypatch.setitem(sys.modules, "chardetng_py", None)
    assert decode(text.encode(encoding)).text == text


def test_a_utf_8_page_with_a_broken_byte_stays_utf_8():
    page = ("<p>žluťoučký kůň úpěl ďábelské ódy " * 20).encode() + b"\xff</p>"
    got = decode(page)
    assert (got.encoding, got.replaced) == ("utf-8", 1)
    assert [warning.code for warning in parse_html(page).warnings] == ["decode.replaced"]


@pytest.mark.parametrize("label", ["", "<meta charset=utf-8>"])
@pytest.mark.parametrize("broken", [b"\xe4", b"\xff", b"\x80", b"\xc3", b"\xe2\x80"])
def test_one_broken_byte_among_few_letters_leaves_a_page_utf_8(label: str, broken: bytes):
    got = decode((label + GERMAN).encode() + broken + b" hier")
    assert (got.text, got.encoding, got.replaced) == (f"{label}{GERMAN}\ufffd hier", "utf-8", 1)


@pytest.mark.parametrize(
    ("text", "letter"), [(GERMAN, "ü"), ("<meta charset=utf-8>A tower", "’"), ("Башня ", "я"), ("塔は", "白")]
)
def test_a_page_that_ends_within_a_letter_is_utf_8(text: str, letter: str):
    got = decode((text + letter).encode()[:-1])
    assert (got.text, got.encoding, got.replaced) == (text + "\ufffd", "utf-8", 1)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "cp1252"),
        ("Elle a dit : « Où est-il allé ? » Très bien, été comme hiver, à côté du « CAFÉ». ", "cp1252"),
        (RUSSIAN, "cp1251"),
        (JAPANESE, "euc-jp"),
    ],
)
def test_a_page_that_says_utf_8_and_is_not_is_read_as_what_it_is(text: str, encoding: str):
    assert text in decode(f"<meta charset=utf-8><p>{text * 3}".encode(encoding)).text


def test_signs_for_what_could_not_be_read_before_are_not_counted_again():
    assert decode(("\ufffd" + GERMAN * 4).encode() + b"\xff").replaced == 1


def test_wide_text_without_a_mark_is_seen_by_its_zero_bytes():
    assert decode("<html><p>Hello, world".encode("utf-16-le")).text == "<html><p>Hello, world"
    assert decode("<html><p>Hello, world".encode("utf-16-be")).text == "<html><p>Hello, world"


@pytest.mark.parametrize(
    ("markup", "name"),
    [
        (b'<meta charset="ISO-8859-1">', "cp1252"),
        (b'<meta http-equiv="content-type" content="text/html; charset=gb2312">', "gb18030"),
        (b'<?xml version="1.0" encoding="Shift_JIS"?>', "cp932"),
        (b"<meta charset=utf-16>", "utf-8"),
        (b"<meta charset=rot13>", None),
        (b"<p>charset=koi8-r", None),
    ],
)
def test_labels_are_read_as_the_standard_reads_them(markup: bytes, name: str | None):
    assert declared_encoding(markup) == name


@given(st.binary(max_size=300))
def test_any_bytes_become_text(data: bytes):
    got = decode(data)
    assert isinstance(got.text, str)
    assert got.replaced <= len(data)
