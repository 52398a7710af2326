"""Kinds of faults of main text: threads, comments, next stories, twins, notes, signs, slides; one small page a kind."""

import pytest

from docgraph import Document
from docgraph.parsers.html.page import parse_html
from tests.white_tower import BODY, LINES, article, codes

POSTS = [
    "Does anybody know how to get old soot off a brick arch without harming the mortar between the bricks?",
    "I would try a stiff brush and baking soda first, and only then something stronger than that.",
    "Vinegar is a bad idea, it eats the lime. I learned that when I restored a stove in 2009.",
    "Thanks everyone! The baking soda worked well, though I had to repeat it on the lower courses.",
    "Glad to hear that. Please post a photo when the oven is lit for the first time this year.",
]


def thread(around: str, post: str) -> Document:
    posts = "".join(post.format(n=n, text=text) for n, text in enumerate(POSTS))
    return parse_html(
        f"<title>Soot on bricks</title><nav><a href=/>Home</a></nav><h1>Soot on bricks</h1>{around.format(posts)}"
        "<footer><p>© 2024 Stove forum. All rights reserved.</p></footer>"
    )


@pytest.mark.parametrize(
    ("around", "post"),
    [
        ("<div class='comments thread'>{}</div>", "<div class=comment><b>user{n}</b><p>{text}</p></div>"),
        (
            "<div class=replies>{}</div>",
            "<div class=reply-item><span>user{n}</span><div class=reply>{text}</div></div>",
        ),
        ("<ul class=commentlist>{}</ul>", "<li class=comment><cite>user{n}</cite><p>{text}</p></li>"),
        ("<table class=forum>{}</table>", "<tr><td class=poster>user{n}<td class=message><div>{text}</div></tr>"),
        ("<div class=x1>{}</div>", "<div class=_a9><div><a href=/u>user{n}</a></div><div class=_c5>{text}</div></div>"),
    ],
)
def test_posts_are_the_text_of_a_thread(around: str, post: str):
    page = thread(around, post)
    assert [text for text in POSTS if text not in page.main_text] == []
    assert "All rights reserved" not in page.main_text


def test_what_readers_said_below_an_article_is_no_thread():
    said = "".join(f"<div class=response><b>user said:</b><p>{text}</p></div>" for text in POSTS)
    page = parse_html(
        f"<div class=post><h1>A white tower</h1>{BODY}<div id=disqus><h3>Responses</h3>{said}</div></div>"
    )
    assert all(line in page.main_text for line in LINES)
    assert [text for text in POSTS if text in page.main_text] == []


def test_another_story_of_the_same_name_below_is_not_main():
    other = "".join(f"<p>{text} More next week.</p>" for text in POSTS)
    page = parse_html(
        f"<title>A white tower</title><div><div class=post><h1>A white tower</h1>{BODY}</div>"
        f"<div class=post><h1>Soot on bricks</h1>{other}</div></div>"
    )
    assert all(line in page.main_text for line in LINES)
    assert "More next week." not in page.main_text


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("<section class='story first'>{}</section>", "<section class=story>{}</section>"),
        ("<h1>A white tower</h1><div>{}</div>", "<div class=nextstory>{}</div>"),
    ],
)
def test_the_next_story_is_known_by_part_of_its_name(first: str, second: str):
    other = "<h1>Soot on bricks</h1>" + "".join(f"<p>{text} More next week.</p>" for text in POSTS)
    body = BODY if "h1" in first else f"<h1>A white tower</h1>{BODY}"
    page = parse_html(f"<title>A white tower</title><main>{first.format(body)}{second.format(other)}</main>")
    assert all(line in page.main_text for line in LINES)
    assert "More next week." not in page.main_text


@pytest.mark.parametrize("teaser", ["<article>{}</article>", "<div class=teaser><img src=a.jpg>{}</div>"])
def test_the_headlines_of_an_index_are_alike(teaser: str):
    inside = "<h2><a href=/{0}>Headline {0}</a></h2><p>{1}</p>"
    teasers = "".join(teaser.format(inside.format(n, text)) for n, text in enumerate(POSTS))
    page = parse_html(f"<title>News</title><main><h1>News</h1>{teasers}</main>")
    roles = {page.effective_roles[node.row] for node in page.find("heading") if node.text.startswith("Headline")}
    assert len(roles) == 1


@pytest.mark.parametrize(
    ("reference", "notes"),
    [
        ("<sup><a href=#n1>1</a></sup>", "<section class=footnotes><ol><li id=n1><p>Box 12.</p></li></ol></section>"),
        ("<a href=#_ftn1>[1]</a>", "<div class=footnotes><p><a name=_ftn1 href=#_r>[1]</a> Box 12.</p></div>"),
        ("<a href=#n>*</a>", "<aside id=n><p>Box 12.</p></aside>"),
    ],
)
def test_the_notes_of_the_text_are_main(reference: str, notes: str):
    page = article(f"<p>It stands on the rock.{reference}</p>{notes}")
    assert "Box 12." in page.main_text
    assert any(mark.href and "#" in mark.href for mark in page.marks)


@pytest.mark.parametrize(
    "sign",
    [
        "<p>Advertisement</p>",
        "<p>Story continues below</p>",
        "<div><p>To view this video please enable JavaScript, and use a browser that supports HTML5 video</p></div>",
        "<div><p>Hier steht ein externer Inhalt.</p><a role=button href=#>Externen Inhalt anzeigen</a></div>",
        "<div><p>This may use cookies of third parties.</p><a class='btn big' href=#>Accept and show</a></div>",
        "<div><p>当サイトではCookieを使用しています。</p><button>同意する</button></div>",
        "<div><div>We use cookies to give you the best experience.</div><div role=button>Got it</div></div>",
        "<div><p>Hier steht ein externer Inhalt.</p><label><input type=checkbox> Anzeigen</label></div>",
        "<div><h3>The morning briefing</h3><p>All that matters, every day.</p><form><input type=email></form></div>",
    ],
)
def test_signs_in_the_page_are_not_main(sign: str):
    page = article(sign)
    assert [node.text for node in page.find("paragraph") if node.text in page.main_text] == LINES


def test_twins_for_two_kinds_of_screens_are_read_once():
    page = article(
        "<p class='lead d-md-none'>It is a tower like no other.</p>"
        "<p class='lead d-none d-md-block'>It is a tower like no other.</p>"
        "<figure><img class=mobile src=a-400.jpg alt='A tower'><img class=desktop src=a.jpg alt='A tower'>"
        "<figcaption class=hide-mobile>White.</figcaption></figure>"
    )
    assert page.main_text.count("It is a tower like no other.") == 1
    assert page.text.count("It is a tower like no other.") == 2
    assert len(page.images()) == 1


def test_what_is_said_twice_on_purpose_stays():
    assert article("<p>Turn, mill, turn.</p><p>Yes.</p><p>Turn, mill, turn.</p>").text.count("Turn, mill, turn.") == 2


@pytest.mark.parametrize("slide", ["swiper-slide", "carousel-item", "gallery-slide"])
def test_the_text_of_slides_is_text(slide: str):
    slides = "".join(
        f"<div class={slide}><img src={n}.jpg><div><p>{text}</p></div></div>" for n, text in enumerate(LINES)
    )
    page = parse_html(f"<main><h1>A white tower</h1><div>{slides}</div></main>")
    assert all(line in page.main_text for line in LINES)


def test_a_hidden_layer_in_a_hidden_layer_is_read():
    page = parse_html(
        f"<style>.x{{visibility:hidden}}</style><div class=x><article class=x><h1>T</h1>{BODY}</article></div>"
    )
    assert all(line in page.main_text for line in LINES)
    assert "hidden.shown" in codes(page)


def test_a_note_that_is_a_definition_is_main():
    page = article(
        "<p>It stands on the rock.<a href=#n1>[1]</a></p>", after="<dl><dt id=n1>[1]</dt><dd><p>Box 12.</p></dd></dl>"
    )
    assert "Box 12." in page.main_text


def test_a_list_that_an_item_leads_into_is_main_whole():
    nested = [
        "<a href=/b/1>Bug 1 – The window is affected by switching the source</a>",
        "<a href=/b/2>Bug 2</a> – Add counts for more than one window, so that the crew knows which of them is used",
        "<a href=/b/3>Bug 3 – Prevent windows from opening on top of one another</a>",
    ]
    line = "The ferry to the island left at nine, and the crew had been told to expect a storm before the evening came."
    page = parse_html(
        f"<title>Notes of the week</title><article><h1>Notes of the week</h1><p>{line}</p><p>{line}</p><h2>Work</h2>"
        f"<ul><li>{line}</li><li>In progress:<ul>{''.join(f'<li>{item}</li>' for item in nested)}</ul></li></ul>"
        f"<h2>More</h2><p>{line}</p></article>"
    )
    assert [item.role for item in page.find("item")] == ["main"] * 5


def test_the_headings_of_a_list_of_stories_are_read_with_their_texts_though_they_are_links():
    def teasers(lines: list[str]) -> str:
        return "".join(
            f"<article><h2><a href=/{n}>Head {n}</a></h2><p>{one}</p></article>" for n, one in enumerate(lines)
        )

    for count in (1, 2, 4):
        page = parse_html(f"<body><h1>News</h1>{teasers(LINES[:count])}</body>")
        assert [f"Head {n}" in page.main_text for n in range(count)] == [True] * count
    page = parse_html(f"<body><article><h1>A white tower</h1>{BODY}</article><h2>More</h2>{teasers(POSTS[:3])}</body>")
    assert "Head 1" not in page.main_text
    teaser = f"<div><h4><a href=/2020/other-story.html>Another tower</a></h4><p>{LINES[1]}</p></div>"
    page = parse_html(f"<title>A white tower</title><body><div><h1>A white tower</h1>{BODY}{teaser}</div></body>")
    assert LINES[1] in page.main_text
    assert "Another tower" not in page.main_text  # its text is not most of the page


@pytest.mark.parametrize(
    "box",
    [
        f"<aside class='{names}'><p>Caution</p><div><p>{{}}</p></div></aside>"
        for names in (
            "markdown-alert markdown-alert-note",
            "starlight-aside starlight-aside--caution",
            "custom-block tip",
            "admonition warning",
        )
    ],
)
def test_an_admonition_beside_the_text_is_main(box: str):
    assert "Paint 3.9 or newer." in article(box.format("Paint 3.9 or newer.")).main_text


def test_an_admonition_elsewhere_is_not():
    box = "<div class='markdown-alert'><p>Note</p><p>Paint 3.9 or newer.</p></div>"
    assert "newer" not in article(after=f"<footer>{box}</footer>").main_text


@pytest.mark.parametrize(("names", "is_main"), [("related-links", False), ("points", True)])
def test_a_list_of_links_between_two_texts_is_main_unless_its_name_says_that_they_lead_on(names: str, is_main: bool):
    links = "".join(f"<li><a href=/{i}>Storm {i} damages the sea wall</a></li>" for i in range(2))
    assert ("Storm 1" in article(f"<ul class={names}>{links}</ul>").main_text) is is_main
