"""Kinds of faults of what belongs to the text in other elements: panels and tabs, parts under their headings, code and
notes beside the text, two posts, offers under one paragraph.
"""

from docgraph.parsers.html.page import parse_html
from tests.white_tower import BODY, LINES, heading_over

ANSWER = "The stairs are closed in winter, because nobody clears the ice from the upper steps."


def test_a_panel_after_the_text_is_text_and_one_of_links_or_elsewhere_is_not():
    def page(panel: str) -> str:
        box = f"<div class=product__accordion>{panel}</div>"
        return parse_html(f"<main><div><h1>A white tower</h1><div>{BODY}</div>{box}</div></main>").main_text

    opened = f"<details><summary>In winter</summary><p>{ANSWER}</p></details>"
    assert ANSWER in page(opened)
    assert ANSWER not in page(f"<aside>{opened}</aside>")
    assert ANSWER not in page(opened.replace("<details>", "<details class=comments>"))
    assert "Mail it" not in page("<details><summary>Share</summary><p>Mail it</p></details>")
    links = (
        "<details><summary>More</summary><ul><li><a href=/a>All the towers of the northern coast and islands</a></ul>"
    )
    assert "northern coast" not in page(f"{links}</details>")


def test_a_menu_without_links_is_no_navigation():
    tabs = (
        "<div class=cmp-tabs><ol role=tablist><li role=tab>Paint</li><li role=tab>Stairs</li></ol>"
        f"<div class=cmp-tabs__tabpanel><p>{LINES[4]}</p></div>"
        f"<div class=cmp-tabs__tabpanel><p>{ANSWER}</p></div></div>"
    )
    text = f"<div><p>{LINES[0]} {LINES[1]}</p></div><div class=cmp-teaser><h2>Paint</h2><p>{LINES[2]}</p></div>"
    page = parse_html(
        f"<main><div><h1>A white tower</h1>{text}<div class='tabs panelcontainer'>{tabs}</div></div></main>"
    )
    assert ANSWER in page.main_text


def test_the_heading_of_a_part_is_main_where_its_text_is():
    entry = (
        "<div class=changelog-entry id=v{0}><div class=changelog-meta><h2><a href=#v{0}>{0}.0</a></h2>"
        "<time datetime=2025-05-12>May 12, 2025</time></div><div class='changelog-body prose'>{1}</div></div>"
    )
    first = f"<h3>Added</h3><ul><li>{LINES[0]}</li><li>{LINES[1]}</li></ul><h3>Fixed</h3><ul><li>{LINES[2]}</li></ul>"
    second = "<h3>Fixed</h3><ul><li>Names with a slash could not be opened on the island.</li></ul>"
    page = parse_html(
        f"<main class=changelog><h1>Changelog</h1><p class=intro>{LINES[3]}</p>{entry.format(3, first)}"
        f"{entry.format(2, second)}</main>"
    )
    assert "2.0" in page.to_markdown(main_only=True)
    assert heading_over(page, "Names with a slash") == "Fixed"


def test_the_heading_of_links_is_not_main_though_text_follows():
    contents = (
        "<div class=toc><h3>Table of Contents</h3><ul><li class=level1><a href=#loop>The loop</a></li></ul></div>"
    )
    text = f"<p>{LINES[0]} {LINES[1]}</p><h1>The loop</h1><p>{LINES[2]}</p><p>{LINES[3]}</p>"
    page = parse_html(
        f"<div class=header><div class=title>The tower</div></div><div class=contents>{contents}"
        f"<div class=textblock>{text}</div></div>"
    )
    assert "Table of Contents" not in page.to_markdown(main_only=True)


def test_a_part_that_stands_outside_of_the_best_cut_is_under_the_title():
    panel = (
        "<div class=frame><div class=frame-inner><div class=frame-header><h2>Questions</h2></div><div class=accordion>"
        "<h4><button data-bs-toggle=collapse data-bs-target=#ac1 aria-expanded=false>In winter?</button></h4>"
        f"<div id=ac1 class='accordion-collapse collapse'><p>{ANSWER}</p></div></div></div></div>"
    )
    head = "<div class=frame><div class=frame-header><h1>A white tower</h1></div></div>"
    page = parse_html(f"<main>{head}<div class='frame textpic'><div>{BODY}</div></div>{panel}</main>")
    depth = next(node.depth for node in page.find("heading") if node.text == "A white tower")
    assert [node.depth for node in page.find("heading") if node.text == "Questions"] == [depth + 1]
    assert ANSWER in page.main_text


def test_code_after_the_text_is_main():
    toggle = (
        f"<ul class=toggle><li><details open><summary>Notes from May</summary><p>{LINES[1]}</p></details></li></ul>"
    )
    figure = "<figure class=image><a href=s.png><img src=s.png></a><figcaption>Hall three</figcaption></figure>"
    columns = f"<div class=column-list><div class=column><p>{LINES[2]}</p></div><div class=column>{figure}</div></div>"
    code = "<pre class=code><code class=language-Python>print(1)</code></pre>"
    page = parse_html(
        f"<article class='page sans'><header><h1 class=page-title>A white tower</h1></header><div class=page-body>"
        f"<p>{LINES[0]}</p><h2>Open questions</h2>{toggle}{columns}{code}</div></article>"
    )
    assert page.main_text.endswith("print(1)")


def test_two_posts_are_a_thread_if_their_names_say_so():
    post = (
        "<div class='TimelineItem js-comment-container'><div class=timeline-comment-group><div class=timeline-comment>"
        "<div class=timeline-comment-header><h3><a class=author href=/u>{}</a> commented <time>Apr 3, 2025</time></h3>"
        "</div><div class=edit-comment-hide><task-lists><table><tr><td class='comment-body markdown-body'>{}</td></tr>"
        "</table></task-lists></div></div></div></div>"
    )
    first = post.format("ann", f"<p>{LINES[0]} {LINES[1]}</p><p>{LINES[2]} {LINES[4]}</p>")
    between = "<div class=TimelineItem><div>bo added the <a href=/l>bug</a> label</div></div>"
    posts = f"<div class=js-discussion>{first}{between}{post.format('bo', f'<p>{LINES[3]}</p>')}</div>"
    join = "<div class=signed-out-comment><a href=/join>Sign up for free</a> to join this conversation.</div>"
    page = parse_html(f"<main><h1>A white tower</h1>{posts}<div class=discussion-timeline-actions>{join}</div></main>")
    assert LINES[0] in page.main_text
    assert LINES[3] in page.main_text


def test_a_note_is_known_by_its_role():
    note = "<p>You cannot go up by telephone.</p>"
    apply = "<div class=call-to-action><p><a href=/start class=button>Start now</a></p></div>"

    text = f"<p>{LINES[0]}</p><h2>The stairs</h2><p>{LINES[1]}</p><div role=note class=info-notice>{note}</div>{apply}"
    page = parse_html(f"<main><h1>A white tower</h1><div class=prose>{text}<p>{LINES[2]}</p></div></main>")
    assert "by telephone" in page.main_text
    links = "<p><a href=/a>All the towers of the northern coast</a> <a href=/b>and of the islands</a></p>"
    page = parse_html(f"<main><h1>A white tower</h1><div class=prose>{text.replace(note, links)}</div></main>")
    assert "northern coast" not in page.main_text


def test_an_offer_under_one_paragraph_is_none_of_the_text():
    offer = (
        "<div class=paywall><h2>Read on</h2><p>Subscribe now for one euro in the first month.</p><button>Yes</button>"
    )
    page = parse_html(f"<main><h1>A white tower</h1><p>{LINES[2]} {LINES[3]}</p>{offer}</div></main>")
    assert "one euro" not in page.main_text
    assert LINES[3] in page.main_text


def test_a_button_in_a_heading_opens_what_it_controls():
    button = "<h3><button aria-controls=a1><span>In winter?</span></button></h3>"
    panel = f"<div id=a1 hidden><p>{ANSWER}</p></div>"
    page = parse_html(f"<main><h1>A white tower</h1>{BODY}<div>{button}{panel}</div></main>")
    assert page.main_text.split("\n\n")[-2:] == ["In winter?", ANSWER]
