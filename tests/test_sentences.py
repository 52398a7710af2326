"""sentence_spans: nothing lost, nothing cut within a word, and the cases that splitters get wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docgraph.sentences import LONGEST, sentence_spans
from tests.growth import assert_linear

LETTERS = st.sampled_from([*"aAzZ09éñÄ我。！？．.!?… \n\t\"'”’«»)([•*-1Iu.s", "\n\n", "Mr.", " The ", "[1]", "\u00a0",
                            "।", "॥", "။", "ក", "\u0f0d", "ก", "คณะกรรมการตกลงที่จะ"])  # fmt: skip


@given(st.lists(LETTERS, max_size=60).map("".join), st.sampled_from([None, "en", "de", "zh", "xx-yy"]))
def test_spans_are_ordered_trimmed_and_cover_all_that_is_not_space(text, language):
    spans = sentence_spans(text, language)
    end = 0
    for first, last in spans:
        assert end <= first < last <= len(text)
        assert text[first:last] == text[first:last].strip()
        assert not text[end:first].strip()
        end = last
    assert not text[end:].strip()


@given(st.lists(LETTERS, max_size=60).map("".join))
def test_no_sentence_ends_inside_a_word(text):
    for _, last in sentence_spans(text):
        assert not (text[last - 1].isalnum() and text[last : last + 1].isalnum())


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("en", ["Dr. Lee left.", "She was late!", "Why?"]),
        ("en", ["John F. Kennedy met J. R. R. Tolkien.", "They spoke."]),
        ("en", ["It cost 3.14 dollars.", "OK...", "Then what?!", "Yes…", "No."]),
        ("en", ["The tale goes on ... until it ends.", "Yahoo! is a firm."]),
        ("en", ['"Why?" he asked.', '"Because."', "She left (really!).", "(She did.)", "“Yes.”", "‘No.’"]),
        ("en", ["He lives in the U.S.", "The Senate sat.", "In the U.S. Senate it is so, at 5 p.m. Monday."]),
        ("en", ["See Fig. 3 and No. 5 of Oct. 3.", "He said no.", "Then he took vitamin C.", "It helped."]),
        ("en", ["1. Introduction to e.g. Rome, i.e. Italy vs. Gaul.", "By Smith et al. Berlin was first."]),
        ("en", ["As shown.[12]", "Next one.[a][3]", "Last."]),
        ("en", ["iPhone sales rose.", "eBay fell.", "Read docs.python.org/3.11 now."]),
        ("de", ["Am 3. Oktober war z. B. nichts.", "Das war 2019.", "»Ja.«", "»Nein!« sagte er."]),
        ("fr", ["« Non ! »", "M. Dupont part.", "Vraiment ?", "Oui."]),
        ("es", ["¿Qué?", "¡Nada!", "El Sr. Gómez salió."]),
        ("hi", ["यह ठीक है।", "वह गया।"]),
        (None, ["one thing.", "another thing, e.g. this.", "all in small letters!"]),
    ],
)
def test_sentences_of_european_and_indic_writing(language, sentences):
    text = " ".join(sentences)
    assert [text[a:b] for a, b in sentence_spans(text, language)] == sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["今天天气很好。", "我们去公园吧！", "好吗？？", "他说：“走吧。”", "圆周率是３．１４。"],
        ["「行くぞ！」と言った。", "「はい。」", "終わり（笑）。"],
    ],
)
def test_chinese_and_japanese_stops_need_no_space(sentences):
    text = "".join(sentences)
    assert [text[a:b] for a, b in sentence_spans(text)] == sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["ကော်မတီသည် တံတားကို ပြင်မည်။", "ငါးဖမ်းသမားများ နေရာရမည်။"],
        ["គណៈកម្មការយល់ព្រម។", "ផ្លែឈើ ត្រី ។ល។", "ចប់ហើយ៕"],
        ["བོད་ཡིག་ཡིན།", "དེ་ནས་འགྲོ། །", "བཀྲ་ཤིས་བདེ་ལེགས༎"],
        ["समिति ने फैसला किया।", "मछुआरे रहेंगे।", "धर्मक्षेत्रे कुरुक्षेत्रे ॥ १ ॥", "“हाँ।”", "वह गया।"],
        ["ኮሚቴው ተስማማ።", "ሥራው ይጀምራል።"],
    ],
)
@pytest.mark.parametrize("between", ["", " "])
def test_stops_of_asia_and_ethiopia_end_sentences_with_and_without_a_space(sentences, between):
    text = between.join(sentences)
    assert [text[a:b] for a, b in sentence_spans(text)] == sentences


@pytest.mark.parametrize(
    "clauses",
    [
        ["คณะกรรมการตกลงที่จะซ่อมท่าเรือเก่าก่อนพายุฤดูหนาว", "ชาวประมงจะยังคงจอดเรือได้ตลอดงาน"],
        ["นายสมชาย ใจดี กล่าวว่าเด็กๆ ในหมู่บ้านจะได้เรียนต่อ", "ราคา 100 บาทต่อคนในปี 2563 และฟรีสำหรับครู"],
        ["ຄະນະກຳມະການໄດ້ຕົກລົງສ້ອມແປງທ່າເຮືອ", "ຊາວປະມົງຈະຍັງຈອດເຮືອໄດ້ຕະຫຼອດວຽກງານ"],
    ],
)
def test_spaces_part_the_clauses_of_thai_and_lao_but_not_names_and_numbers(clauses):
    text = " ".join(clauses)
    assert [text[a:b] for a, b in sentence_spans(text)] == clauses


@pytest.mark.parametrize("unit", ["word ", "x", "我", "clause, with words; ", "คณะกรรมการ ", "a" * 3_000 + " "])
def test_a_sentence_without_an_end_is_cut_at_a_bound_and_keeps_its_words(unit):
    text = (unit * (50_000 // len(unit))).strip()
    spans = sentence_spans(text)
    parts = [text[a:b] for a, b in spans]
    assert len(parts) > 10
    assert max(map(len, parts)) <= LONGEST
    assert "".join(parts).replace(" ", "") == text.replace(" ", "")
    if " " in text:
        assert " ".join(parts).split() == text.split()
    if "," in unit:
        assert all(part.endswith((",", ";")) for part in parts[:-1])


def test_a_stray_stop_is_no_sentence_of_its_own():
    text = ". The ferry left. . . It sank."
    assert [text[a:b] for a, b in sentence_spans(text)] == [". The ferry left.", ". . It sank."]


def test_bullets_and_blank_lines_begin_a_sentence_and_line_breaks_do_not():
    text = "Buy:\n• milk\n• tea ▪ salt\n- bread\n2. eggs\n\nbut not\nwine • beer"
    assert [text[a:b] for a, b in sentence_spans(text)] == [
        "Buy:", "• milk", "• tea", "▪ salt", "- bread", "2. eggs", "but not\nwine", "• beer",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "unit",
    [
        ".",
        "a.",
        '."',
        "\n ",
        "\n",
        " ",
        ". ",
        ".[1]",
        "。",
        "• ",
        "A. (",
        "[abcd]",
        "। ",
        "॥ 12 ॥",
        "ក។ល។",
        "ก ",
        "word, ",
    ],
)
def test_time_is_linear_on_hostile_text(unit):
    assert_linear(sentence_spans, unit * (50_000 // len(unit)), unit * (400_000 // len(unit)))
