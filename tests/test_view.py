"""The view of a document, driven in Chromium: both sides agree, keys and search work, hostile text stays text."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import docgraph
from docgraph import DataError, Document, DocumentBuilder, Evidence, Renderer, load_document, parse_html
from docgraph.index import answers
from docgraph.view.data import js_places
from docgraph.view.page import as_json
from tests.browsers import LOW_CONTRAST, Screen, needs_chromium
from training.cli import view as view_command

RUN = Path(__file__).parent / "data" / "v0.1.0" / "run"
PAGE = """<!doctype html><html lang="en"><title>Harbour</title><body><nav><a href="/a">Home</a></nav>
<main><h1>The ferry is late</h1><p>It rained <b>all day</b>. The 𝒻erry waited in the harbour. Nobody complained.</p>
<h2>Prices</h2><table><tr><th>Trip</th><th>Price</th></tr><tr><td rowspan=2>There</td><td>4</td></tr><tr><td>5</td></tr>
</table><p>Come and <a href="https://example.org/x">see the boats</a> tomorrow.</p></main></body></html>"""
SELECTED = "document.querySelector('.line[aria-selected=true]')"
READ = "document.querySelector('#reading .selected')"


def paragraph(words: str) -> str:
    """An expression for the deepest element of the reading side whose text begins so."""
    begins = f"e.textContent.startsWith({json.dumps(words)})"
    return f"[...document.querySelectorAll('#reading *')].filter(e => {begins}).at(-1)"


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screen]:
    """The page above, open."""
    path = parse_html(PAGE, offsets=True).view().save(tmp_path_factory.mktemp("view") / "view.html")
    with Screen(path) as one:
        yield one
        assert one.errors == []
        assert one.requests == [path.resolve().as_uri()]


# -- the file ------------------------------------------------------------------------------------------------------


def test_places_count_utf16_units():
    text = "a𝒻b\ud800c🚢"
    want = [len(text[:n].encode("utf-16-le", "surrogatepass")) // 2 for n in range(len(text) + 1)]
    assert js_places(text).tolist() == want


def test_data_closes_no_script_and_reads_as_itself():
    values = {"text": "</script><script>alert(1)</script><!-- \u2028 \x00 \ud800", "none": None}
    written = as_json(values)
    assert "<" not in written
    assert json.loads(written) == values


def test_an_attribute_that_is_no_json_is_one_sentence():
    builder = DocumentBuilder()
    builder.open("page", attributes={"odd": float("nan")})
    builder.close()
    with pytest.raises(DataError, match="must be JSON values, but"):
        builder.build().view()


def test_evidence_of_another_document_is_refused():
    evidence = Evidence(classes=("a",), probabilities=np.ones(1), values=np.zeros((3, 1), np.float32), method="")
    with pytest.raises(DataError, match=r"must have shape \(\d+, 1\)"):
        parse_html(PAGE).view(evidence=evidence)


def test_a_notebook_shows_it_in_a_frame_without_an_origin():
    shown = parse_html(PAGE).view()._repr_html_()
    assert re.match(r'<iframe sandbox="allow-scripts" ', shown)
    assert "allow-same-origin" not in shown


# -- two sides -----------------------------------------------------------------------------------------------------


@needs_chromium
def test_what_is_clicked_in_the_text_is_chosen_in_the_tree(screen):
    screen.click(paragraph("The 𝒻erry"))
    assert "sentence" in screen.run(f"{SELECTED}.textContent")
    assert "The 𝒻erry waited" in screen.run(f"{SELECTED}.textContent")
    assert screen.run("document.querySelector('#node-facts h2').textContent").startswith("sentence")


@needs_chromium
def test_the_panel_says_the_span_as_python_counts(screen):
    document = parse_html(PAGE, offsets=True)
    node = [one for one in document.walk() if one.text.startswith("Nobody complained")][-1]
    screen.click(paragraph("Nobody complained"))
    panel = screen.run("document.getElementById('node-facts').innerText")
    assert f"{node.span[0]} to {node.span[1]}" in panel
    assert node.source.xpath in panel
    assert "main" in panel
    assert "The ferry is late" in panel  # the section


@needs_chromium
def test_what_is_clicked_in_the_tree_is_chosen_in_the_text(screen):
    screen.click("[...document.querySelectorAll('.line')].find(e => e.textContent.includes('Come and see'))")
    assert screen.run(f"{READ}.textContent").strip() == "Come and see the boats tomorrow."
    assert "https://example.org/x" in screen.run("document.getElementById('node-facts').innerText")


@needs_chromium
def test_hovering_one_side_lights_the_other(screen):
    screen.hover("[...document.querySelectorAll('.line')].find(e => e.textContent.includes('Prices'))")
    assert screen.run("document.querySelector('#reading .hovered').textContent").startswith("Prices")
    screen.hover(paragraph("The ferry is late"))
    assert "The ferry is late" in screen.run("document.querySelector('.line.hovered').textContent")


@needs_chromium
def test_the_whole_text_is_there_with_its_marks_and_tables(screen):
    shown = " ".join(screen.run("document.getElementById('reading').textContent").split())
    for words in ("It rained all day. The 𝒻erry waited in the harbour. Nobody complained.", "see the boats tomorrow"):
        assert words in shown
    assert screen.run("document.querySelector('#reading strong').textContent") == "all day"
    cells = "[...document.querySelectorAll('#reading table tr')].map(r => [...r.cells].map(c => c.textContent))"
    assert screen.run(cells) == [["Trip", "Price"], ["There", "4"], ["5"]]
    assert screen.run("document.querySelectorAll('#reading th').length") == 2


@needs_chromium
def test_what_is_read_from_right_to_left_is_shown_so(tmp_path):
    page = "<p>אחת two. שלוש.</p><table><tr><th>א<th>ב<tr><td>1<td>2</table><p>English, א.</p>"
    with Screen(parse_html(page).view().save(tmp_path / "view.html")) as screen:
        left = "getBoundingClientRect().left"
        of = "document.querySelectorAll('#reading {}')[{}].{}"
        assert screen.run(f"{of.format('p span', 0, left)} > {of.format('p span', 1, left)}")
        assert screen.run(f"{of.format('th', 0, left)} > {of.format('th', 1, left)}")
        assert screen.run("getComputedStyle([...document.querySelectorAll('#reading p')].at(-1)).direction") == "ltr"


# -- keys and search -----------------------------------------------------------------------------------------------


@needs_chromium
def test_arrows_go_through_the_tree_as_aria_has_it(screen):
    screen.run("document.getElementById('tree').focus()")
    screen.press("Home")
    level = f"{SELECTED}.ariaLevel"
    assert screen.run(level) == "1"
    screen.press("ArrowRight")  # open already: to the first child
    assert screen.run(level) == "2"
    screen.press("ArrowLeft", 2)  # closed, or to the parent
    screen.press("Home")
    screen.press("ArrowLeft")
    assert screen.run(f"{SELECTED}.ariaExpanded") == "false"
    assert screen.run("document.querySelectorAll('.line').length") == 1
    screen.press("ArrowRight")
    assert screen.run(f"{SELECTED}.ariaExpanded") == "true"
    screen.press("ArrowDown")
    active = screen.run("document.getElementById('tree').getAttribute('aria-activedescendant')")
    assert active == screen.run(f"{SELECTED}.id")
    assert screen.run("document.activeElement.id") == "tree"


@needs_chromium
@pytest.mark.parametrize(
    ("asked", "count", "first"),
    [("harbour", 1, "sentence"), ("BOATS", 1, "sentence"), ("kind:heading", 2, "heading"), ("role:nav", None, "list")],
)
def test_search_finds_text_kinds_and_roles(screen, asked, count, first):
    screen.run("document.getElementById('search').value = ''; document.getElementById('search').focus()")
    screen.type(asked)
    found = screen.run("document.getElementById('matches').textContent")
    assert count is None or found == f"{count} found"
    screen.press("Enter")
    screen.run("document.getElementById('search').value = ''")
    if count:
        assert screen.run("document.getElementById('matches').textContent") == f"1 of {count}"
        assert first in screen.run(f"{SELECTED}.textContent")
    else:
        assert "nav" in screen.run("document.getElementById('node-facts').innerText")


@needs_chromium
def test_every_control_has_a_name_and_every_id_stands_once(screen):
    nameless = """[...document.querySelectorAll('button, input, select, [role], section')].filter(e => !e.hidden &&
      !e.closest('[hidden]') && !['presentation', 'treeitem'].includes(e.getAttribute('role')) && !(e.ariaLabel ||
      e.labels?.length || e.getAttribute('aria-labelledby') || e.textContent.trim())).map(e => e.outerHTML)"""
    assert screen.run(nameless) == []
    assert screen.run("[...document.querySelectorAll('[id]')].map(e => e.id)") == screen.run(
        "[...new Set([...document.querySelectorAll('[id]')].map(e => e.id))]"
    )


@needs_chromium
@pytest.mark.skipif("DOCGRAPH_AXE" not in os.environ, reason="DOCGRAPH_AXE must name axe.min.js of npm's axe-core")
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_no_violation(tmp_path, sample_data, dark):
    question = "who gets help from the state?"
    with Renderer() as renderer:
        document = renderer.render(sample_data / "pages" / "m63910.html")
    view = document.view(query=question, passages=answers(document, question), evidence=weighed(document))
    with Screen(view.save(tmp_path / "view.html"), dark=dark, bypass_policy=True) as screen:
        screen.run(Path(os.environ["DOCGRAPH_AXE"]).read_text() + "; 0")
        screen.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        for face in ("reading", "screenshot"):
            screen.click(f"document.getElementById('face-{face}')")
            run = "axe.run().then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html.slice(0, 200))]))"
            assert screen.run(run) == []


# -- hostile -------------------------------------------------------------------------------------------------------

HOSTILE = [
    "</script><script>window.hurt = 1</script>",
    "<img src=x onerror='window.hurt = 1'>",
    "<svg onload=window.hurt=1>",
    "{{title}}{{script}}",
    "]]><!--<script>window.hurt=1",
    "javascript:window.hurt=1",
]


@needs_chromium
def test_hostile_text_runs_nothing_and_is_shown_as_it_is(tmp_path):
    builder = DocumentBuilder()
    builder.open("page", attributes={"<b>": HOSTILE[0]}, role=HOSTILE[1])
    for text in HOSTILE:
        builder.block("paragraph", text, attributes={"href": text, "dir": "x", "constructor": text})
        builder.open(text)
        builder.close()
        builder.leaf("image", attributes={"src": text, "alt": text})
    builder.close()
    document = builder.build().with_metadata(title=HOSTILE[0], authors=tuple(HOSTILE), language=HOSTILE[1])
    with Screen(document.view(query=HOSTILE[1]).save(tmp_path / "view.html")) as screen:
        for row in range(len(document)):
            screen.run("document.getElementById('tree').focus()")
            screen.press("ArrowDown")
            assert row >= 0
        for words in HOSTILE:
            assert words in screen.run("document.getElementById('reading').textContent")
        assert HOSTILE[0] in screen.run("document.title")
        assert screen.run("window.hurt") is None
        assert screen.run("document.querySelectorAll('script').length") == 2
        assert screen.run("document.querySelectorAll('#reading script, #reading svg, #reading a').length") == 0
        assert screen.dialogs == 0
        assert len(screen.requests) == 1
        assert screen.errors == []


@needs_chromium
def test_the_policy_stops_what_would_be_put_in(screen):
    """Were a fault in the scripts to let markup through, the browser would still refuse it."""
    before = len(screen.errors)
    with pytest.raises(AssertionError, match="TrustedHTML"):
        screen.run("document.body.innerHTML = '<p>'")
    image = "Object.assign(document.createElement('img'), {src: 'https://example.org/x.png'})"
    screen.run(f"document.body.append({image})")
    screen.wait("true")
    assert any("Content Security Policy" in error for error in screen.errors[before:])
    del screen.errors[before:]
    assert len(screen.requests) == 1


@needs_chromium
def test_a_hundred_thousand_nodes_are_a_short_list_of_lines(tmp_path):
    builder = DocumentBuilder()
    builder.open("page")
    for section in range(100):
        builder.open("section")
        for number in range(1000):
            builder.block("paragraph", f"Paragraph {section} {number}")
        builder.close()
    builder.close()
    document = builder.build()
    with Screen(document.view().save(tmp_path / "view.html")) as screen:
        screen.click("document.getElementById('expand')")
        assert screen.run("document.querySelectorAll('.line').length") < 100
        screen.run("document.getElementById('tree').focus()")
        screen.press("End")
        assert "Paragraph 99 999" in screen.run(f"{SELECTED}.textContent")
        assert screen.run(f"{READ}.textContent") == "Paragraph 99 999"
        assert screen.run(f"{SELECTED}.ariaPosInSet") == "1000"
        assert screen.errors == []


@needs_chromium
def test_a_deep_document_opens(tmp_path):
    builder = DocumentBuilder()
    for _ in range(5_000):
        builder.open("group")
    builder.block("paragraph", "At the bottom.")
    for _ in range(5_000):
        builder.close()
    with Screen(builder.build().view().save(tmp_path / "view.html")) as screen:
        screen.wait("document.getElementById('reading').textContent.includes('At the bottom.')")
        screen.run("document.getElementById('search').focus()")
        screen.type("bottom")
        screen.press("Enter")
        assert "At the bottom." in screen.run(f"{SELECTED}.textContent")
        assert screen.errors == []


# -- what others found out -------------------------------------------------------------------------------------------


@needs_chromium
def test_passages_that_answer_are_marked_in_place(tmp_path, sample_data):
    document = load_document(sample_data / "pages" / "m63910.html")
    question = "who gets help from the state?"
    found = answers(document, question)
    assert found
    with Screen(document.view(query=question, passages=found).save(tmp_path / "view.html")) as screen:
        marks = screen.run("[...document.querySelectorAll('#reading mark')].map(e => e.textContent.toLowerCase())")
        assert marks
        assert all(re.match("help|state|get|from", mark) for mark in marks)
        listed = screen.run("[...document.querySelectorAll('#panel ol li button')].map(e => e.textContent)")
        assert len(listed) == len(found)
        first = " ".join(document.text[found[0].span[0] :][:40].split())
        assert first in listed[0]


def test_answers_lie_within_the_document_and_hold_the_words(sample_data):
    document = load_document(sample_data / "pages" / "m63910.html")
    for passage in answers(document, "earned income tax credit"):
        for start, end in passage.marks:
            assert passage.span[0] <= start < end <= passage.span[1]
            assert re.match("earn|income|tax|credit", document.text[start:end], re.IGNORECASE)


def weighed(document: Document) -> Evidence:
    """Evidence that is known: sentences that rain speak for "bad", those of boats for "good"."""
    values = np.full((len(document), 2), np.nan, np.float32)
    for node in document.find("sentence"):
        good = 0.5 * ("boats" in node.text) - 1.0 * ("rained" in node.text)
        values[node.row] = good, -good
    return Evidence(
        classes=("good", "bad"), probabilities=np.float32([0.4, 0.6]), values=values, method="Known.", passes=3
    )


@needs_chromium
def test_what_speaks_for_a_class_is_coloured_and_listed(tmp_path):
    document = parse_html(PAGE)
    with Screen(document.view(evidence=weighed(document)).save(tmp_path / "view.html")) as screen:
        shade = "(w => [...document.querySelectorAll('#reading [data-shade]')].find(e => e.textContent.startsWith(w))"
        strength = f"{shade}.style.getPropertyValue('--strength'))"
        assert screen.run(f"{shade}.dataset.shade)('It rained')") == "for"
        assert screen.run(f"{strength}('It rained')") == "100%"
        assert screen.run(f"{shade}.dataset.shade)('Come and')") == "against"
        assert screen.run(f"{strength}('Come and')") == "50%"
        said = screen.run("document.getElementById('panel').innerText")
        assert "0.600 bad" in said
        assert "0.400 good" in said
        assert "+1.000" in said
        assert "−0.500" in said
        choose = "(e => { e.value = e.options[1].value; e.dispatchEvent(new Event('change')); })"
        screen.run(f"{choose}(document.getElementById('class'))")
        assert screen.run(f"{shade}.dataset.shade)('It rained')") == "against"
        assert "Speaks for good" in screen.run("document.getElementById('panel').innerText")
        assert screen.errors == []


@needs_chromium
def test_a_rendered_page_has_its_boxes_on_the_screenshot(tmp_path):
    style = "position:absolute; left:100px; top:200px; width:300px; height:80px; margin:0"
    page = f"<body style='margin:0'><p style='{style}'>Here."
    with Renderer() as renderer:
        document = renderer.render(page)
    with Screen(document.view().save(tmp_path / "view.html")) as screen:
        screen.click("document.getElementById('face-screenshot')")
        picture = "document.querySelector('#screenshot img').getBoundingClientRect()"
        screen.wait(f"{picture}.height > 50")
        scale = screen.run(f"{picture}.width") / document.boxes[len(document) - 1].x1
        left, top = screen.run(f"[{picture}.left, {picture}.top]")
        x, y = left + 250 * scale, top + 240 * scale
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            screen.call("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1})
        assert "Here." in screen.run(f"{SELECTED}.textContent")
        box = screen.run(
            "(r => [r.left, r.top, r.width])(document.querySelector('.box.selected').getBoundingClientRect())"
        )
        node = document[screen.run(f"Number({SELECTED}.id.slice(5))")]
        assert box == pytest.approx(
            [left + node.box.x0 * scale, top + node.box.y0 * scale, (node.box.x1 - node.box.x0) * scale], abs=1.5
        )
        screen.run("document.getElementById('screenshot').focus()")
        screen.press("ArrowRight")  # from the patch that was clicked
        patches = document.attributes[len(document) - 1]["patches"]
        side = next(
            s for s in range(32, 999, 16) if -(-int(document.boxes[len(document) - 1].x1) // s) <= patches["columns"]
        )
        column, row = 250 // side + 1, 240 // side
        assert screen.run(f"Number({SELECTED}.id.slice(5))") == patches["node"][row * patches["columns"] + column]
        rectangle = "document.querySelector('.box.patch').getBoundingClientRect()"
        drawn = screen.run(f"(p => (r => [r.left - p.left, r.top - p.top, r.width])({rectangle}))({picture})")
        assert drawn == pytest.approx([side * scale * column, side * scale * row, side * scale], abs=1.5)
        assert screen.errors == []


@needs_chromium
@pytest.mark.parametrize("dark", [False, True])
def test_words_can_be_read_on_their_ground_in_both_themes(tmp_path, dark):
    """Contrast of at least 4.5 (WCAG 2.1, 1.4.3), of all text that the view writes."""
    document = parse_html(PAGE)
    path = document.view(evidence=weighed(document)).save(tmp_path / "view.html")
    with Screen(path, dark=dark) as screen:
        screen.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        screen.click(paragraph("It rained"))
        assert screen.run(LOW_CONTRAST) == []
        screen.click("document.getElementById('theme')")
        assert screen.run(LOW_CONTRAST) == []


@needs_chromium
def test_the_command_writes_the_page(tmp_path, sample_data):
    path = tmp_path / "out" / "view.html"
    source = sample_data / "html" / "2014-12-22-protosketch.html"
    command = [sys.executable, "-m", "training.cli", "view", str(source), "--output", str(path)]
    asked = ["--query", "what is protosketching?", "--words", "--model", str(RUN), "--passes", "20"]
    done = subprocess.run([*command, *asked], capture_output=True, text=True, check=True)
    assert re.fullmatch(rf"{path}: 119 nodes, [0-9.]+ MB\n", done.stdout)
    with Screen(path) as screen:
        assert screen.run("document.querySelectorAll('#reading img').length") == 1
        assert screen.run("document.querySelectorAll('#reading mark').length") > 5
        assert screen.run("document.querySelectorAll('#reading [data-shade]').length") > 5
        assert screen.requests == [path.resolve().as_uri()]
        assert screen.errors == []


def test_a_document_with_nothing_in_it_is_viewed():
    builder = DocumentBuilder()
    builder.open("page")
    builder.close()
    document: Document = builder.build()
    assert "<!doctype html>" in document.view().html
    assert docgraph.View is type(document.view())


def test_the_command_does_not_write_over_the_page_it_reads(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "view.html"
    page.write_text("<p>Words.</p>")
    (tmp_path / "link.html").symlink_to(page)
    for name, output in (
        ("view.html", "view.html"),
        (str(page), "view.html"),
        ("link.html", "view.html"),
        ("view.html", "."),
    ):
        with pytest.raises(DataError, match="--output must be a file other than the page"):
            view_command.run(name, output=Path(output))
    assert page.read_text() == "<p>Words.</p>"


@pytest.mark.parametrize("root", ["/", "..", ".", "a/b", "\0"])
def test_a_saved_document_shows_images_of_its_own_folder_only(tmp_path, monkeypatch, capsys, root):
    folder = tmp_path / "received"
    (folder / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(folder)
    source = "secret.png"
    for place in (tmp_path, folder, folder / "a" / "b"):
        Image.new("RGB", (64, 64), "red").save(place / source)
    name = str(tmp_path / source).lstrip("/") if root == "/" else source
    values = json.loads(parse_html(f"<p>Words.</p><img src='{name}' width=64 height=64>").to_json())
    values["images"]["root"] = root
    (folder / "doc.json").write_text(json.dumps(values))
    view_command.run("doc.json", output=folder / "view.html")
    is_within = root in (".", "a/b")
    assert ("data:image/png;base64," in (folder / "view.html").read_text()) == is_within
    assert ("outside of its own folder" in capsys.readouterr().err) != is_within
