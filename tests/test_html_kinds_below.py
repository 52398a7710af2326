"""Kinds of faults of main text: boxes below an article, pages of few words, panels and rests of texts that a button
opens, text in a column beside an image, headings that are links or hold buttons; one small page a kind.
"""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from docgraph.parsers.html.main import choose
from docgraph.parsers.html.main.features import FEATURES
from docgraph.parsers.html.page import parse_html
from tests.white_tower import BODY, LINES, article, bound, heading_over

CARDS = "".join(
    f"<div class=k><a href=/{n}><h3>{title}</h3></a><p>{teaser}</p></div>"
    for n, (title, teaser) in enumerate(
        [
            ("A new ferry", "The harbour gets a new ferry, which takes sixty cars and runs until midnight."),
            ("Gulls", "Gulls have moved into the old customs house, and nobody dares to drive them out."),
            ("Storm", "The storm of last week took forty metres off the dunes, says the island's surveyor."),
        ]
    )
)
SAID = [
    ("bo", "I walked past it on Sunday, and it looks splendid from the ferry."),
    ("ann", "They should have painted it red, as it was when I was a child."),
]
WHO = "Ann Lee writes about harbours and the sea. She has worked for this paper since 2011, and lives on the island."


@pytest.mark.parametrize(
    "box",
    [
        f"<section class=related-posts><h2>Related posts</h2>{CARDS}</section>",
        f"<div id=jp-relatedposts><h3>Related</h3>{CARDS}</div>",
        f"<div class=x9><h2>You may also like</h2>{CARDS}</div>",
        f"<div class=read-next>{CARDS}</div>",
        f"<aside class=q><h3>Das könnte Sie auch interessieren</h3>{CARDS}</aside>",
        f"<div><h2>More from the harbour</h2>{CARDS.replace('<div', '<article').replace('</div', '</article')}</div>",
    ],
)
def test_other_stories_below_an_article_are_none_of_it(box: str):
    page = article(after=box)
    assert page.main_text.count("The lighthouse") == 1
    assert not any(word in page.main_text for word in ("ferry", "Gulls have", "dunes"))


def test_a_heading_of_that_kind_over_prose_of_the_article_stays():
    page = article(f"<div><h2>More on this</h2><p>{WHO}</p><p>{LINES[0]} Twice.</p></div>")
    assert WHO in page.main_text


@pytest.mark.parametrize(
    "box",
    [
        f"<div class=post-author><img src=a.jpg class=avatar><h4>Ann Lee</h4><p>{WHO}</p><a href=/a>All</a></div>",
        f"<div class=css-1><h3>About the author</h3><p>{WHO}</p></div>",
        f"<div class=css-1><h3>Über die Autorin</h3><p>{WHO}</p></div>",
    ],
)
def test_who_wrote_an_article_is_none_of_its_text(box: str):
    page = article(after=box)
    assert "She has worked" not in page.main_text
    assert "She has worked" in page.text


def test_posts_of_an_index_that_name_their_author_stay():
    posts = "".join(
        f'<div class="entry entry_author_ann"><h2>Day {n}</h2><p>{line}</p></div>' for n, line in enumerate(LINES)
    )
    page = parse_html(f"<title>A log</title><h1>A log</h1>{posts}")
    assert [line for line in LINES if line not in page.main_text] == []


@pytest.mark.parametrize("title", ["Comments (2)", "2 comments", "Comments", "Kommentare"])
def test_comments_without_a_name_are_told_by_their_heading(title: str):
    said = "".join(
        f"<div><span>{who}</span><span>3 hours ago</span><p>{text}</p><button>Reply</button></div>"
        for who, text in SAID
    )
    page = article(after=f"<section class=css-7><h3>{title}</h3>{said}</section>")
    assert "Sunday" not in page.main_text
    assert "Sunday" in page.text


def test_a_part_of_an_article_about_comments_stays():
    page = article(
        f"<div><h2>Comments</h2><p>{SAID[0][1]} So said one of many readers of the island's paper.</p></div>"
    )
    assert "Sunday" in page.main_text


@pytest.mark.parametrize("name", ["paywall__offer", "newsletter-box", "c-subscribe", "donation-form"])
def test_an_offer_with_a_button_is_none_of_the_text(name: str):
    offer = "<h3>Read on</h3><p>Get every story of ours for one pound in the first four weeks. Cancel any time.</p>"
    assert "one pound" not in article(after=f"<div class={name}>{offer}<button>Yes</button></div>").main_text
    assert "one pound" in article(f"<div class={name}>{offer}</div>").text


def test_the_body_of_a_paywall_is_text():
    page = parse_html(
        f"<title>A white tower</title><h1>A white tower</h1><div class=paywall-body>{BODY}<button>x</button></div>"
    )
    assert [line for line in LINES if line not in page.main_text] == []


@pytest.mark.parametrize("around", ["<main>{}</main>", "<div>{}</div>"])
@pytest.mark.parametrize(
    "box",
    [
        "<div id=onetrust-banner-sdk role=alertdialog><h2>We value your privacy</h2><p>By clicking Accept, you agree "
        "to the storing of cookies on your device.</p><button>Accept All Cookies</button></div>",
        "<div class=cookie-banner><p>We use cookies to make this site better. By using it you agree to that.</p>"
        "<button>OK</button></div>",
        "<section class=newsletter><h2>News</h2><p>Get our news every Friday, straight to your inbox.</p>"
        "<input type=email></section>",
        "<aside><h2>Weather</h2><p>It will rain on Friday and on Saturday, too.</p></aside>",
        "<div class=footer><p>Copyright 2024 Valley Post Media. All rights reserved.</p></div>",
        "<footer><p>© 2024 Valley Post Media Ltd. All rights reserved.</p></footer>",
    ],
)
def test_a_page_of_few_words_is_these_words_alone(around: str, box: str):
    text = "The pool is closed on Monday. It opens again on Tuesday at nine."
    page = parse_html(f"<title>Pool</title>{around.format(f'<h1>Pool</h1><p>{text}</p>')}{box}")
    assert page.main_text == text
    assert "main.little" in {warning.code for warning in page.warnings}


def test_a_page_that_is_one_named_box_is_not_empty():
    page = parse_html(
        "<title>Privacy</title><div class=cookie-notice><p>We use no cookies at all, not even one.</p></div>"
    )
    assert "no cookies" in page.main_text


QA = [
    ("When does it open?", "On Monday at nine, and from then on every day but Sunday."),
    ("What did it cost?", "The paint cost two thousand pounds in all."),
    ("Who paid?", "The town paid most of it, and a fund the rest."),
]


@pytest.mark.parametrize("count", [2, 3])
def test_answers_in_bootstraps_accordion_are_text_under_their_questions(count: int):
    items = "".join(
        f'<div class="accordion-item"><h2 class="accordion-header"><button class="accordion-button collapsed" '
        f'data-bs-toggle="collapse" data-bs-target="#c{n}">{question}</button></h2><div id="c{n}" '
        f'class="accordion-collapse collapse"><div class="accordion-body">{answer}</div></div></div>'
        for n, (question, answer) in enumerate(QA[:count])
    )
    page = article(f"<div class=accordion>{items}</div>")
    for question, answer in QA[:count]:
        assert answer in page.main_text
        assert heading_over(page, answer) == question


def test_an_accordion_of_links_below_a_page_is_none():
    links = "".join(f"<li><a href=/{n}>Page number {n}</a></li>" for n in range(6))
    menu = (
        f"<div class=accordion><h3><button aria-expanded=false>Service</button></h3><div><ul>{links}</ul></div></div>"
    )
    for page in (article(after=menu), article(after=f"<footer>{menu}</footer>")):
        assert "Page number" not in page.main_text


REST = f"<p>{LINES[3]}</p><p>{LINES[4]}</p>".replace("Sailors", "Fishermen").replace("ten years", "twelve years")


@pytest.mark.parametrize(
    "rest",
    [
        f"<button aria-controls=more aria-expanded=false>Show the rest</button><div id=more hidden>{REST}</div>",
        f'<span class=more-text style="display:none">{REST}</span><button>Read more</button>',
        f'<div id=m style="display:none">{REST}</div><a href="#" onclick="show()">Mehr lesen »</a>',
    ],
)
def test_the_rest_of_a_text_that_a_button_shows_is_read(rest: str):
    page = article(rest)
    assert "Fishermen had complained" in page.main_text
    assert "twelve years" in page.main_text


@pytest.mark.parametrize(
    "hidden",
    [
        f'<div class=modal style="display:none">{REST}</div><button>Read more</button>',
        f'<div style="position:absolute;left:-9999px">{REST}</div><button>Read more</button>',
        f'<div style="display:none">{REST}</div><button>Search</button>',
        "<ul hidden><li><a href=/1>One of many links to other pages of this site, all of them in a menu</a></ul>"
        "<button>Show more</button>",
    ],
)
def test_no_other_hidden_text_is_read_for_a_button_beside_it(hidden: str):
    page = article(hidden)
    assert "Fishermen" not in page.text
    assert "One of many links" not in page.text


SPOKEN = "The keeper will stay, said the harbour office, and so will his two dogs, who know each rock of the island."


@pytest.mark.parametrize(
    "columns",
    [
        "<div class=wp-block-media-text><figure><img src=a.jpg></figure><div class=wp-block-media-text__content>"
        "<p>{}</p></div></div>",
        "<div class=row><div class=col-md-4><img src=a.jpg></div><div class=col-md-8><p>{}</p></div></div>",
        "<div class=media><img src=a.jpg><div class=media-body>{}</div></div>",
        "<div><img src=a.jpg><div class=card-text><p>{}</p></div></div>",
    ],
)
def test_text_in_a_column_beside_an_image_is_no_caption(columns: str):
    page = article(columns.format(SPOKEN))
    assert SPOKEN in page.main_text
    assert not page.find("caption")


def test_a_caption_between_paragraphs_is_still_one():
    page = article("<div><img src=a.jpg><p>The tower in May, seen from the ferry.</p></div>")
    assert bound(page) == [("a.jpg", "The tower in May, seen from the ferry.")]


def test_a_heading_that_links_to_itself_is_a_heading_of_the_text():
    heading = '<h2 id=o><a href="#o">Options</a></h2>'
    page = parse_html(f"<title>Tower</title><div><h1>Tower</h1><p>{LINES[0]}</p>{heading}<p>{SPOKEN}</p></div>")
    assert [node.role for node in page.find("heading") if node.text == "Options"] == ["main"]
    assert heading_over(page, SPOKEN) == "Options"


def test_a_button_in_a_heading_is_none_of_its_words():
    page = article(f"<h2>The money <button class=share>Share</button></h2><p>{SPOKEN}</p>")
    assert heading_over(page, SPOKEN) == "The money"
    page = article(f"<h2><button aria-expanded=true>The money</button></h2><p>{SPOKEN}</p>")
    assert heading_over(page, SPOKEN) == "The money"


def test_a_bold_line_that_leads_elsewhere_is_no_heading():
    page = article(f"<p><strong>READ MORE: <a href=/x>Choir wins prize in Vienna</a></strong></p><p>{SPOKEN}</p>")
    assert heading_over(page, SPOKEN) == "A white tower"


@pytest.mark.parametrize("facts", ["<table><tr><th>Height<td>31 m<tr><th>Built<td>1868</table>", f"<p>{WHO}</p>"])
def test_a_box_of_facts_keeps_its_heading_to_itself(facts: str):
    page = article(f"<h2>The money</h2><p>{SPOKEN}</p><div class=infobox><h3>Facts</h3>{facts}</div>")
    assert heading_over(page, LINES[2]) == "The money"


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("<h2>1. <button data-toggle=collapse data-target=#a1>What is a tax?</button></h2>", "1. What is a tax?"),
        (
            "<h2>What is a <button class=glossary>tariff</button> and who pays it?</h2>",
            "What is a tariff and who pays it?",
        ),
        ("<h2>The money <button>Copy link</button></h2>", "The money"),
    ],
)
def test_a_button_with_words_of_the_heading_stays_in_it(heading: str, words: str):
    assert heading_over(article(f"{heading}<p>{SPOKEN}</p>"), SPOKEN) == words


OTHERS = [
    "The old paint came off in flakes as large as a hand, and gulls carried some of it to the mainland.",
    "Children of the school painted a small tower of their own, which stands before the church until winter.",
    "A chemist from the capital says that the new coat should hold for at least twelve years of salt and sun.",
    "Nobody could say what the first coat had looked like, for the harbour's books burned in the year 1911.",
]
MORE = "The harbour office keeps a list of all who helped, and it will be read aloud in the church in September."


PARTS = [
    f"<div class=subscription-steps><h2>Steps</h2><p>{MORE}</p><button>Print</button></div>",
    f"<div class=donation-facts><h2>Facts</h2><p>{MORE}</p><button>Play</button></div>",
    f"<section><h2>Responses (120)</h2><p>{MORE}</p><p>{MORE} Twice.</p></section>",
    f"<section><h2>Comments</h2><p>{MORE}</p><p><a href=report.pdf>Report</a></p></section>",
    "".join(
        f"<div class=latest-news><h3>{n} o'clock</h3><p>{line}</p><a href=/share>Share</a></div>"
        for n, line in enumerate(OTHERS)
    ),
    f"<div class=newsletter-box><h2>Facts</h2><p>{MORE}</p><button>Print</button></div>",
    f"<div class=other-reading><h2>Sources</h2><h3>The list</h3><p>{MORE}</p><h3>School</h3><p>{OTHERS[1]}</p></div>",
]
IN_THE_MIDDLE = [
    f"<div class=post-author><p>{MORE}</p><p>{MORE} Twice.</p></div>",
    *(
        "".join(
            f"<div class={name}><h2>Item {n}</h2><p>{line}</p><a class=button href=/{n}>Subscribe</a></div>"
            for n, line in enumerate(OTHERS)
        )
        for name in ("newsletter-item", "newsletter-block")
    ),
]


@pytest.mark.parametrize("part", [*PARTS, *IN_THE_MIDDLE])
def test_parts_of_an_article_that_only_sound_like_boxes_stay(part: str):
    page = article(f"{BODY.replace('The lighthouse', 'That tower')}{part}")
    assert [line for line in (MORE, *OTHERS) if line in part and line not in page.main_text] == []


@pytest.mark.parametrize("part", PARTS)
def test_so_do_those_that_an_article_ends_with(part: str):
    page = parse_html(f"<title>A white tower</title><main><article><h1>A white tower</h1>{BODY}{part}</article></main>")
    assert [line for line in (MORE, *OTHERS) if line in part and line not in page.main_text] == []


@pytest.mark.parametrize(
    "hidden",
    [
        f'<a href="/other">Read more</a><div class=variant style="display:none">{REST}</div>',
        f'<div style="display:none">{REST}</div><a href="/all">View all</a>',
    ],
)
def test_a_link_to_another_page_opens_nothing_in_this_one(hidden: str):
    assert "Fishermen" not in article(hidden).text


def test_the_box_of_the_title_is_no_banner():
    text = "We bake bread every day for the town."
    page = parse_html(f"<title>Bakery</title><div class='hero banner'><h1>Bakery</h1><p>{text}</p></div>")
    assert text in page.main_text


@pytest.mark.parametrize(("boxed_words", "kept"), [(20, True), (60, False)])
def test_boxes_that_hold_far_more_likely_words_are_not_passed_over(boxed_words: int, kept: bool):
    """One block of 15 words in no box, and one in a box that is named as something else."""
    words = np.array([15.0, boxed_words])
    matrix = np.zeros((2, len(FEATURES)), np.float32)
    matrix[:, choose._IN_MAIN] = choose._NOWHERE
    measured: Any = SimpleNamespace(
        matrix=matrix, words=words, prose=words, owner=np.array([1, 2]), end=np.array([3, 2, 3]), named={}, large=[2]
    )
    few = choose._few_words(measured, np.array([0.3, 0.3]), title=-1)
    assert few.tolist() == [kept, False]


def test_a_heading_among_the_text_ends_nothing_that_comes_after_it():
    said = f"<h2>Comments</h2><p>{SAID[0][1]}</p><p><a href=#r>Reply</a></p><h2>What now</h2><p>{MORE}</p>"
    page = parse_html(f"<title>A white tower</title><article><h1>A white tower</h1><div>{BODY}{said}</div></article>")
    assert MORE in page.main_text


def test_comments_in_the_middle_are_of_the_article():
    said = "".join(f"<div><p>{line}</p><button>Reply</button></div>" for line in OTHERS)
    page = article(f"<p>{MORE}</p><section class=x7><h3>Comments</h3>{said}</section>")
    assert OTHERS[0] in page.main_text


@pytest.mark.parametrize(
    "hidden",
    [
        "<span hidden>Shown in part.</span><button>Show more</button>",
        f"<div hidden>{'<i>a</i>' * 600}{REST}</div><button>Show more</button>",
        f"<div hidden><form><p>{LINES[3].replace('Sailors', 'Fishermen')}</p></form></div><button>Show more</button>",
    ],
)
def test_labels_forms_and_whole_pages_that_are_hidden_are_no_rest_of_a_text(hidden: str):
    text = article(hidden).text
    assert "Shown in part" not in text
    assert "Fishermen" not in text


def test_the_rest_of_a_text_that_a_style_sheet_hides_is_read():
    css = "<style>.rest{display:none}</style>"
    assert "Fishermen" in article(f"<div class=rest>{REST}</div><button>Read more</button>", head=css).main_text
    assert "Fishermen" not in article(f"<div class=rest>{REST}</div><button>Search</button>", head=css).text


def test_panels_of_links_and_those_beside_the_text_stay_out_of_an_article():
    links = "".join(f"<li><a href=/{n}>Page number {n} of it</a></li>" for n in range(6))
    button = "<h3><button aria-expanded=false>Service</button></h3>"
    assert "Page number" not in article(f"{button}<div class=menu-panel><ul>{links}</ul></div>").main_text
    offer = "Get the news of the island every Friday, straight to your inbox, and cancel whenever you like."
    assert offer not in article(f"<aside class=sidebar>{button}<div><p>{offer}</p></div></aside>").main_text


def test_the_surest_text_counts_on_a_page_of_few_words_wherever_it_stands():
    words = np.array([15.0, 10.0])
    matrix = np.zeros((2, len(FEATURES)), np.float32)
    matrix[:, choose._IN_MAIN] = choose._NOWHERE
    measured: Any = SimpleNamespace(
        matrix=matrix, words=words, prose=words, owner=np.array([1, 2]), end=np.array([3, 2, 3]), named={}, large=[2]
    )
    for boxed, kept in ((0.95, True), (0.5, False)):
        assert choose.keep(measured, np.array([0.4, boxed])).kept.tolist() == [True, kept]
    assert choose._few_words(measured, np.array([0.05, 0.05]), title=-1).tolist() == [False, False]


def test_the_box_of_the_title_counts_beside_other_text():
    page = parse_html(
        "<div class='hero banner'><h1>Fine bread since 1900</h1><p>We bake bread every day for the town.</p></div>"
        "<div class=content><p>Open from ten to six, closed on Sunday.</p></div>"
    )
    assert "every day" in page.main_text
    assert "closed on Sunday" in page.main_text


def test_a_page_that_has_nothing_but_a_notice_is_that_notice():
    notice = "We use cookies to make this site better. By using it you agree to that."
    page = parse_html(f"<title>Note</title><div class=cookie-banner><p>{notice}</p><button>Accept</button></div>")
    assert notice in page.main_text


def test_a_label_in_a_column_below_an_image_is_its_caption():
    page = article("<div><img src=a.jpg><div class=card-text>The tower in May</div></div>")
    assert bound(page) == [("a.jpg", "The tower in May")]
