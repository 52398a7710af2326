"""How the view looks where pages are odd: wide tables, long words, hidden text, right to left, nothing at all."""

from pathlib import Path

import numpy as np
import pytest

from docgraph import Document, DocumentBuilder, Evidence, Renderer, parse_html
from tests.browsers import LOW_CONTRAST, Screen, needs_chromium

WIDTHS = "[e.scrollWidth, e.clientWidth]"
READING = "document.getElementById('reading')"


def shown(document: Document, folder: Path, **how: int) -> Screen:
    """The document's view, open."""
    return Screen(document.view().save(folder / "view.html"), **how)


@needs_chromium
@pytest.mark.parametrize("width", [1400, 420])
def test_a_wide_table_scrolls_by_itself_and_breaks_no_word(tmp_path, width):
    words = " ".join(["considerable"] * 8)
    cells = "".join(f"<td>value number {n}</td>" for n in range(40))
    page = f"<p>Before.</p><table><tr>{cells}</tr><tr><td>{words}</td><td>{'x' * 3000}</td></tr></table><p>After.</p>"
    with shown(parse_html(page), tmp_path, width=width) as screen:
        pane, inner = screen.run(f"(e => {WIDTHS})({READING})")
        assert pane == inner
        table, inner = screen.run(f"(e => {WIDTHS})(document.querySelector('.wide'))")
        assert table > 2 * inner
        lines = "[...document.querySelectorAll('#reading td')].map(e => e.getBoundingClientRect())"
        assert min(screen.run(f"{lines}.map(r => r.width)")) > 45  # "number"
        assert screen.run(f"{lines}[0].height") < 90  # three words
        long = screen.run("(r => r.width)(document.querySelectorAll('#reading td')[40].getBoundingClientRect())")
        assert long > 150  # some words a line
        screen.wait("document.querySelector('.wide').tabIndex === 0")  # arrow keys scroll it
        assert screen.run("document.documentElement.scrollWidth") <= width
        assert screen.errors == []


@needs_chromium
def test_a_narrow_table_is_no_stop_for_the_keyboard(tmp_path):
    with shown(parse_html("<p>Words.</p><table><tr><td>1<td>2<tr><td>3<td>4</table>"), tmp_path) as screen:
        assert screen.run("document.querySelector('.wide').tabIndex") == -1


@needs_chromium
def test_deep_lists_stay_in_the_pane(tmp_path):
    page = "<ul><li>level" * 30 + "</ul>" * 30
    with shown(parse_html(page), tmp_path, width=420) as screen:
        pane, inner = screen.run(f"(e => {WIDTHS})({READING})")
        assert pane == inner


@needs_chromium
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("with_evidence", [False, True])
def test_hidden_text_can_be_read_however_deep(tmp_path, dark, with_evidence):
    builder, hidden = DocumentBuilder(), {"layout": {"visible": False, "reason": "covered"}}
    builder.open("page")
    builder.block("paragraph", "One is seen. Two is seen.")
    builder.open("group", attributes=hidden)
    builder.block("heading", "Hidden", attributes=hidden)
    for kind in ("paragraph", "caption", "credit"):
        builder.open(kind, attributes=hidden)
        builder.block("sentence", "A hidden one.", attributes=hidden)
        builder.close()
    builder.close()
    builder.close()
    document = builder.build()
    values = np.full((len(document), 2), np.nan, np.float32)
    for node in document.find("sentence"):
        values[node.row] = 1, -1
    evidence = Evidence(classes=("a", "b"), probabilities=np.float32([0.6, 0.4]), values=values, method="Known.")
    view = document.view(evidence=evidence if with_evidence else None)
    with Screen(view.save(tmp_path / "view.html"), dark=dark) as screen:
        assert screen.run("document.querySelectorAll('#reading .unseen .unseen').length") > 0
        assert screen.run(LOW_CONTRAST) == []
        ink = "getComputedStyle([...document.querySelectorAll('#reading {}')][0]).color"
        if not with_evidence:
            assert screen.run(ink.format(".unseen")) != screen.run(ink.format("p:not(.unseen)"))


@needs_chromium
def test_what_is_chosen_keeps_its_colour(tmp_path):
    """Evidence against a class stays as orange as it was, and a page that is chosen whole stays white."""
    document = parse_html("<p>It rains.</p><p>It pours.</p>")
    values = np.full((len(document), 2), np.nan, np.float32)
    for node in document.find("paragraph"):
        values[node.row] = -1, 1
    evidence = Evidence(classes=("a", "b"), probabilities=np.float32([0.6, 0.4]), values=values, method="Known.")
    with Screen(document.view(evidence=evidence).save(tmp_path / "view.html")) as screen:
        ground = "getComputedStyle(document.querySelector('#reading {}')).backgroundColor"
        before = screen.run(ground.format("p"))
        screen.click("document.querySelector('#reading p')")
        assert screen.run(ground.format("p.selected")) == before
        outline = "parseFloat(getComputedStyle(document.querySelector('#reading .selected')).outlineWidth)"
        assert screen.run(outline) >= 2
        screen.click("document.getElementById('node-0')")
        screen.hover("document.getElementById('title')")
        assert screen.run(ground.format(".selected")) == "rgba(0, 0, 0, 0)"
        assert screen.run(outline) >= 2


@needs_chromium
def test_a_row_from_right_to_left_loses_its_end(tmp_path):
    hebrew = "<p>שלום לכל מי שקורא את השורה הארוכה הזאת, שאין לה מקום בעץ ולכן סופה נחתך ולא תחילתה, כמו בכל שפה</p>"
    with shown(parse_html(hebrew + "<p>שלום.</p>"), tmp_path) as screen:
        words = "[...document.querySelectorAll('.line .words')]"
        long = f"{words}.find(e => e.scrollWidth > e.clientWidth)"
        assert screen.run(f"getComputedStyle({long}).direction") == "rtl"
        assert screen.run(f"getComputedStyle({long}).textOverflow") == "ellipsis"
        first = f"""(e => {{ const r = document.createRange(); r.setStart(e.firstChild, 0); r.setEnd(e.firstChild, 4);
          const w = r.getBoundingClientRect(), box = e.parentElement.getBoundingClientRect();
          return w.left >= box.left && w.right <= box.right; }})({long})"""
        assert screen.run(first)
        short = f"{words}.findLast(e => e.textContent === 'שלום.')"  # beside its kind, not at the far side
        assert (
            screen.run(f"{short}.getBoundingClientRect().left - {short}.previousSibling.getBoundingClientRect().right")
            < 20
        )


@needs_chromium
def test_a_page_wider_than_windows_is_shown_at_its_size(tmp_path):
    with Renderer() as renderer:
        document = renderer.render(f"<body style='margin:0'><p>Words.</p><p>{'w' * 1500}</p>")
    wide = document.boxes[0].x1
    assert wide > 10_000
    with shown(document, tmp_path) as screen:
        screen.click("document.getElementById('face-screenshot')")
        screen.wait("document.querySelector('#screenshot img').getBoundingClientRect().height > 10")
        across, pane = screen.run("(e => [e.scrollWidth, e.clientWidth])(document.getElementById('screenshot'))")
        assert across / pane == pytest.approx(min(wide, 16_384) / 1280, rel=0.01)
        assert "width: " in screen.run("document.getElementById('panel').innerText")  # metadata in words
        assert "{" not in screen.run("document.getElementById('panel').innerText")


@needs_chromium
def test_a_document_without_text_and_images_says_so(tmp_path):
    with shown(parse_html(""), tmp_path) as screen:
        assert screen.run(f"{READING}.innerText").strip() == "The document has neither text nor images."
    with shown(parse_html("<p>Words.</p>"), tmp_path) as screen:
        assert "neither" not in screen.run(f"{READING}.innerText")
