"""Rendered pages: boxes against others' and against what the page's own scripts measure, what is seen, bounds, ends."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path
from typing import ClassVar

import pytest
from PIL import Image

import docgraph
from docgraph import Bounds, Document, LimitError, Renderer, RenderError, parse_html, render_page
from docgraph.render.browser import Tab
from docgraph.render.chromium import Chromium
from tests.browsers import needs_chromium
from tests.processes import in_session, needs_proc

ROOT = Path(__file__).resolve().parent.parent
pytestmark = needs_chromium
Corners = tuple[float, float, float, float]


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    """One browser for the tests of a module."""
    with Renderer() as one:
        yield one


def node(document: Document, text: str) -> docgraph.Node:
    """The deepest node whose text begins so."""
    return [one for one in document.walk() if one.text.startswith(text)][-1]


def overlap(a: Corners, b: Corners) -> float:
    """Intersection over union of two boxes."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / max(sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)) - both, 1e-9)


# -- boxes -----------------------------------------------------------------------------------------------------


def test_the_tree_and_its_spans_are_those_of_the_parser(renderer, sample_data):
    path = sample_data / "html" / "2014-12-22-protosketch.html"
    plain, shown = parse_html(path, offsets=True), renderer.render(path, screenshot=False)
    assert (shown.text, shown.kind, shown.role) == (plain.text, plain.kind, plain.role)
    assert (shown.span == plain.span).all()
    assert (shown.sources.node_offsets == plain.sources.node_offsets).all()
    assert [dict(a) for r, a in sorted(plain.attributes.items())] == [
        {k: v for k, v in shown.attributes[r].items() if k != "layout"} for r in sorted(plain.attributes)
    ]


def test_every_box_stands_where_its_style_puts_it(renderer):
    page = "".join(
        f"<p style='position:absolute;margin:0;left:{x}px;top:{y}px;width:{w}px;height:{h}px'>Text {n} here.</p>\r\n"
        for n, (x, y, w, h) in enumerate([(7, 11, 130, 40), (300, 17, 211, 97), (7, 501, 1009, 53)])
    )
    document = renderer.render(f"<!doctype html>\r\n<body>{page}")
    boxes = [one.box[:4] for one in document.find("paragraph")]
    assert boxes == [(7, 11, 137, 51), (300, 17, 511, 114), (7, 501, 1016, 554)]


WEBSRC = "websrc/data"


def websrc_pages(shared_data: Path) -> list[Path]:
    """The sample's 18 pages."""
    return sorted((shared_data / WEBSRC).glob("*/*/processed_data/*.html"))


def test_elements_that_stand_where_websrc_has_them_get_its_boxes(renderer, shared_data):
    """The sample has boxes but no style sheets, so each element is put where its own box says and read back."""
    hits = []
    for path in websrc_pages(shared_data):
        rects = {
            tid: one["rect"]
            for tid, one in json.loads(path.with_suffix(".json").read_text()).items()
            if one.get("rect") and min(one["rect"]["width"], one["rect"]["height"]) >= 2
        }
        markup = path.read_text(encoding="utf-8")
        placed = "".join(
            f'[tid="{tid}"]{{position:fixed!important;box-sizing:border-box;margin:0;padding:0;border:0;overflow:hidden;'
            f"display:block;left:{r['x']}px;top:{r['y']}px;width:{r['width']}px;height:{r['height']}px;"
            "min-width:0;min-height:0;max-width:none;max-height:none}"
            for tid, r in rects.items()
        )
        document = renderer.render(markup.replace("<body", f"<style>{placed}</style><body", 1), screenshot=False)
        boxes: dict[str, Corners] = {}
        source = markup.replace("<body", f"<style>{placed}</style><body", 1)
        for one in document.walk():
            start = one.source.offsets[0] if one.source.offsets else -1
            tag = re.match(r"<[^>]*\btid=\"(\d+)\"", source[start : start + 2000]) if start >= 0 else None
            if tag and one.box is not None and one.kind not in ("page", "sentence", "section"):
                boxes.setdefault(tag.group(1), one.box[:4])
        for tid in boxes.keys() & rects.keys():
            r = rects[tid]
            hits.append(overlap(boxes[tid], (r["x"], r["y"], r["x"] + r["width"], r["y"] + r["height"])) >= 0.9)
    assert len(hits) > 500
    assert sum(hits) / len(hits) >= 0.95


MEASURE = """
(paths => paths.map(([path, words]) => {
  const element = document.evaluate(path, document, null, 9, null).singleNodeValue;
  if (!element) return null;
  const box = r => [r.left + scrollX, r.top + scrollY, r.right + scrollX, r.bottom + scrollY];
  if (!words) return box(element.getBoundingClientRect());
  const walker = document.createTreeWalker(element, 4), letters = [];
  for (let t = walker.nextNode(); t; t = walker.nextNode())
    [...t.data].forEach((c, i) => /\\S/.test(c) && letters.push([c, t, i]));
  const at = letters.map(l => l[0]).join('').indexOf(words);
  if (at < 0) return null;
  const range = document.createRange(), [, n, last] = letters[at + words.length - 1];
  range.setStart(letters[at][1], letters[at][2]); range.setEnd(n, last + 1);
  const rects = [...range.getClientRects()].filter(r => r.width && r.height).map(box);
  return rects.length ? [0, 1, 2, 3].map(i => (i < 2 ? Math.min : Math.max)(...rects.map(r => r[i]))) : null;
}))(%s)
"""


def test_boxes_are_those_that_a_script_in_the_page_measures(renderer, sample_data):
    """Elements by getBoundingClientRect, sentences by the rectangles of a Range; another way into the browser."""
    agree = {"paragraph": [], "sentence": [], "heading": [], "image": [], "cell": [], "list": []}
    for path in sorted((sample_data / "html").glob("*.html"))[:4] + sorted((sample_data / "pages").glob("*.html"))[:4]:
        document = renderer.render(path, screenshot=False)
        nodes = [one for one in document.walk() if one.kind in agree and one.box and one.source.xpath]
        asked = [[n.source.xpath, "".join(n.text.split()) if n.kind == "sentence" else ""] for n in nodes]
        chromium = Chromium(memory=2 * 10**9, start_seconds=60)
        try:
            tab = Tab.open(chromium, Bounds(), 1280, javascript=True, answer=partial(_file, path.parent))
            tab.load(path.read_text(encoding="utf-8"), "http://page.invalid/")
            answer = tab._call("Runtime.evaluate", {"expression": MEASURE % json.dumps(asked), "returnByValue": True})
        finally:
            chromium.close()
        for one, box in zip(nodes, answer["result"]["value"], strict=True):
            if box:
                agree[one.kind].append(overlap(one.box[:4], tuple(box)))
    assert sum(map(len, agree.values())) > 800
    for kind, overlaps in agree.items():
        if overlaps:
            assert sum(o >= 0.9 for o in overlaps) >= 0.95 * len(overlaps), kind


def _file(folder: Path, url: str) -> bytes | None:
    path = folder / url.removeprefix("http://page.invalid/")
    return path.read_bytes() if path.is_file() else None


def test_sentences_of_one_line_share_it(renderer):
    document = renderer.render("<p style='font:20px monospace;margin:0'>One two. 𝒳𝒴 three four.</p>")
    one, two = (sentence.box for sentence in document.find("sentence"))
    assert one.y0 == two.y0
    assert one.x1 <= two.x0 + 1
    assert (one.x1 - one.x0) == pytest.approx(8 * 12, abs=13)


def test_lines_of_two_directions_are_read_in_their_order(renderer):
    document = renderer.render("<p dir=rtl style='margin:0'>אחת two שלוש 123. ארבע חמש. Six אחת.</p>")
    sentences = document.find("sentence")
    assert len(sentences) == 3
    whole = document.find("paragraph")[0].box
    assert sentences[0].box.x1 == pytest.approx(whole.x1, abs=1)
    assert all(one.box.x1 - one.box.x0 < 300 for one in sentences)
    centres = [one.box.x0 + one.box.x1 for one in sentences]
    assert centres == sorted(centres, reverse=True)


# -- what is seen ----------------------------------------------------------------------------------------------

PLACE = "position:absolute;left:0;top:0;width:1280px;height:800px"
COVER = f"{PLACE};background:#fff"


def picture(mode: str) -> str:
    written = BytesIO()
    Image.new(mode, (2, 2)).save(written, "PNG")
    return "data:image/png;base64," + base64.b64encode(written.getvalue()).decode()


OPAQUE, CLEAR = picture("RGB"), picture("RGBA")
REASONS = {
    "visible": ("<p>Words.</p>", None),
    "visibility": ("<style>div:nth-of-type(1){visibility:hidden}</style><div><p>Words.</p></div>", "visibility"),
    "opacity": ("<style>main{opacity:.01}</style><main><p>Words.</p></main>", "opacity"),
    "left of the page": (
        "<style>p.x{position:absolute;left:-500px"
        ";width:90px}</style><p class=x>Words.</p>", "off screen"),
    "above the page": ("<style>p.x{position:absolute;top:-90px}</style><p class=x>Words.</p>", "off screen"),
    "no size": ("<style>p.x{font-size:.5px;width:1px;line-height:1px}</style><p class=x>W</p>", "size"),
    "clipped": (
        "<style>.c{height:20px;overflow:hidden}</style><div "
        "class=c><p style='margin-top:60px'>Words.</p></div>", "clipped"),
    "covered": (f"<p>Words.</p><div style='{COVER}'></div>", "covered"),
    "covered by a wall": (f"<p>Words.</p><div style='{COVER.replace('absolute', 'fixed')}'></div>", "covered"),
    "glass above": (f"<p>Words.</p><div style='{COVER};background:rgba(0,0,0,.4)'></div>", None),
    "a bar that scrolls": (
        "<p>Words.</p><div style='position:fixed;left:0;top"
        ":0;width:1280px;height:90px;background:#fff'></div>", None),
    "colour": ("<style>[lang=la]{color:#fefefe}body{background:#fff}</style><p lang=la>Words.</p>", "color"),
    "an empty frame above": (f"<p>Words.</p><iframe style='{PLACE}'></iframe>", None),
    "a canvas above": (f"<p>Words.</p><canvas style='{PLACE}'></canvas>", None),
    "an image above that is not there": (f"<p>Words.</p><img src=no.jpg style='{PLACE}'>", None),
    "an image above": (f"<p>Words.</p><img src='{OPAQUE}' style='{PLACE}'>", "covered"),
    "a clear image above": (f"<p>Words.</p><img src='{CLEAR}' style='{PLACE}'>", None),
    "multiplied": (f"<p>Words.</p><div style='{COVER};mix-blend-mode:multiply'></div>", None),
    "a cover that is cut off": (f"<p>Words.</p><div style='{COVER};clip-path:inset(100%)'></div>", None),
    "the next slide": (
        "<style>.s{position:relative;overflow:hidden;width:400px;height:60px}.s p:nth-of-type(1){position:absolute;"
        "left:400px}</style><div class=s><p>Words.</p></div>", "clipped"),
    "held by another": (
        "<style>.s{overflow:hidden;width:400px;height:60px}.s p:nth-of-type(1){position:absolute;left:600px}"
        "</style><div class=s><p>Words.</p></div>", None),
    "reached by scrolling": (
        "<style>.o{overflow:hidden;height:90px}.i{overflow:auto;height:90px}.t{height:900px}"
        "</style><div class=o><div class=i><div class=t></div><p>Words.</p></div></div>", None),
    "a menu beside the window": (
        "<style>body{overflow-x:hidden}p:nth-of-type(1){position:absolute;left:1300px}</style><p>Words.</p>",
        "off screen"),
    "fades in": ("<style>@keyframes k{to{opacity:1}}p.x{opacity:0;animation:k 99s}</style><p class=x>Words.</p>", None),
}  # fmt: skip


@pytest.mark.parametrize("name", REASONS)
def test_a_node_says_whether_it_is_seen_and_why_not(renderer, name):
    markup, reason = REASONS[name]
    document = renderer.render(f"<!doctype html><body>{markup}<p style='margin-top:900px'>The end of it.</p>")
    words = next(one for one in document.walk() if one.kind == "sentence")
    assert words.text == "Words." or name == "no size"
    assert words.attributes["layout"].get("reason") == reason
    assert words.attributes["layout"]["visible"] == (reason is None)
    assert node(document, "The end").attributes["layout"]["visible"] == ("wall" not in name)


STYLED = {
    "for readers of screens": (
        "position:absolute;width:1px;height:1px;margin:-1px;overflow:hidden;clip:rect(0,0,0,0);white-space:nowrap",
        "clipped"),
    "clip": ("position:absolute;clip:rect(1px,1px,1px,1px)", "clipped"),
    "clip of what is not placed": ("clip:rect(1px,1px,1px,1px)", None),
    "no height": ("max-height:0;overflow:hidden", "clipped"),
    "pushed out": ("text-indent:100%;white-space:nowrap;overflow:hidden", "clipped"),
    "polygon": ("clip-path:polygon(0 0,0 0,0 0)", "clipped"),
    "circle": ("clip-path:circle(0)", "clipped"),
    "a circle in the middle": ("clip-path:circle(50%)", "clipped"),
    "a circle around it": ("clip-path:circle(75%)", None),
    "a wide ellipse": ("clip-path:ellipse(75% 100% at 50% 0%)", None),
    "a narrow ellipse": ("clip-path:ellipse(30% 100%)", "clipped"),
    "inset": ("clip-path:inset(0 0 100% 0)", "clipped"),
    "inset of little": ("clip-path:inset(1px 10% 1px 0)", None),
    "a shape not known": ("clip-path:path('M 0 0 L 900 0 L 900 900 z')", None),
    "filter": ("filter:opacity(0)", "opacity"),
    "letters of a gradient": (
        "background:linear-gradient(red,blue);background-clip:text;color:transparent", None),
    "letters that are a shadow": ("color:transparent;text-shadow:0 0 0 #000", None),
    "letters filled with nothing": ("-webkit-text-fill-color:transparent", "color"),
}  # fmt: skip


@pytest.mark.parametrize("name", STYLED)
def test_what_a_linked_sheet_hides_says_why(renderer, name):
    """A sheet that the parser does not read, as most pages have it."""
    style, reason = STYLED[name]
    sheet = f"<link rel=stylesheet href='data:text/css;base64,{base64.b64encode(f'p{{{style}}}'.encode()).decode()}'>"
    words = renderer.render(f"<!doctype html>{sheet}<p>Words.", screenshot=False).find("sentence")[0]
    assert words.attributes["layout"].get("reason") == reason


def test_letters_are_measured_against_the_body(renderer):
    document = renderer.render(
        "<body style='font-size:20px'><h1 style='font-size:50px'>Title here</h1><p>Words.</p>"
        "<div style='position:sticky;top:0'><p style='font-weight:200'>Stays.</p></div>"
    )
    looks = {one.text: one.attributes["layout"] for one in document.find("sentence") + document.find("heading")}
    assert (looks["Title here"]["font_size"], looks["Title here"]["font_weight"]) == (2.5, 1.75)
    assert (looks["Words."]["font_size"], looks["Words."]["font_weight"]) == (1, 1)
    assert (looks["Stays."]["font_weight"], looks["Stays."]["position"]) == (0.5, "sticky")


def test_the_screenshot_is_a_grid_whose_patches_know_the_node_under_them(renderer):
    document = renderer.render(
        "<body style='margin:0;background:#fff'><p style='margin:0;height:320px;background:#f00'>Red.</p>"
        "<p style='margin:0;height:320px;background:#00f;color:#fff'>Blue.</p>",
        width=640,
    )
    (shot,) = document.images()
    patches = shot.attributes["patches"]
    assert (shot.domain, shot.text, shot.parent.row) == (docgraph.Domain.GRID, "", 0)
    with shot.image.open("RGB") as image:
        assert image.size == (640, 800)
        cell = 640 / patches["columns"]
        for index in range(0, patches["rows"] * patches["columns"], 7):
            row, column = divmod(index, patches["columns"])
            red, _, blue = image.getpixel((int((column + 0.5) * cell), min(int((row + 0.5) * cell), 799)))
            under = document[patches["node"][index]].text
            assert under.startswith("Red.") == (red == 255 and blue == 0) or under.startswith("Red.\n\nBlue.")
            if blue == 255 and red == 0:
                assert under == "Blue."
    assert Document.from_json(document.to_json()).same_as(document)


# -- what a page may do ----------------------------------------------------------------------------------------


def test_a_page_reads_its_own_folder_and_nothing_else(renderer, tmp_path):
    (tmp_path / "secret.css").write_text("p { width: 77px }")
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "style.css").write_text("p { position: absolute; left: 40px } b { color: red }")
    buffer = BytesIO()
    Image.new("RGB", (30, 20), "red").save(buffer, "PNG")
    (folder / "a.png").write_bytes(buffer.getvalue())
    (folder / "index.html").write_text(
        "<link rel=stylesheet href=style.css><link rel=stylesheet href=../secret.css>"
        f"<link rel=stylesheet href='file://{tmp_path}/secret.css'><p>Words.</p><img src=a.png>"
        f"<iframe src='file://{tmp_path}/secret.css'></iframe>"
    )
    document = renderer.render(folder / "index.html")
    assert document.find("paragraph")[0].box.x0 == 40
    assert document.find("paragraph")[0].box.x1 != 117
    image = next(one for one in document.images() if one.attributes["src"] == "a.png")
    assert (image.box.x1 - image.box.x0, image.box.y1 - image.box.y0) == (30, 20)


class _Counter(BaseHTTPRequestHandler):
    requests: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.requests.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.mark.parametrize("javascript", [False, True])
def test_nothing_of_a_page_reaches_the_network(renderer, javascript):
    server = HTTPServer(("127.0.0.1", 0), _Counter)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        at = f"127.0.0.1:{server.server_port}"
        page = renderer.render(
            f"<p>Words.</p><link rel=stylesheet href='http://{at}/css'><link rel=preload as=image href='http://{at}/pre'>"
            f"<link rel=dns-prefetch href='http://{at}'><link rel=preconnect href='http://{at}'>"
            f"<img src='http://{at}/img'><iframe src='http://{at}/frame'></iframe><video src='http://{at}/video'></video>"
            f"<object data='http://{at}/object'></object><body style='background:url(http://{at}/back)'>"
            f"<script src='http://{at}/js'></script><meta http-equiv=refresh content='0;url=http://{at}/next'>"
            f"<script>fetch('http://{at}/fetch').catch(x=>0); new WebSocket('ws://{at}/socket');"
            f"navigator.sendBeacon('http://{at}/beacon'); new Image().src='http://{at}/image';"
            f"location='http://{at}/away'; open('http://{at}/window')</script>"
            f"<p>Later.</p><form action='http://{at}/form' id=f></form><script>f.submit()</script>",
            javascript=javascript,
        )
        assert _Counter.requests == []
        assert "Words." in page.text
        assert any(warning.code == "render.refused" for warning in page.warnings)
    finally:
        server.shutdown()
        server.server_close()


def test_the_caller_may_answer_what_the_page_asks_for(renderer):
    asked = []

    def fetch(url: str) -> bytes | None:
        asked.append(url)
        return b"p { margin-left: 123px }" if url.endswith(".css") else None

    page = "<link rel=stylesheet href='https://example.org/a.css'><img src='https://example.org/b.png'><p>Words.</p>"
    document = renderer.render(page, fetch=fetch)
    assert sorted(asked) == ["https://example.org/a.css", "https://example.org/b.png"]
    assert document.find("paragraph")[0].box.x0 == 131


def test_scripts_run_only_when_asked_for(renderer):
    page = "<p id=a>Before.</p><script>document.body.innerHTML += '<p>After.</p>'</script>"
    assert "After." not in renderer.render(page).text
    shown = renderer.render(page, javascript=True)
    assert node(shown, "After.").box.y0 > node(shown, "Before.").box.y0


HOSTILE = {
    "alert": "<script>alert(1);confirm(2);prompt(3)</script><p>Words.</p>",
    "refresh": "<meta http-equiv=refresh content='0;url=about:blank'><p>Words.</p>",
    "refresh to data": "<meta http-equiv=refresh content='0;url=data:text/html,x'><p>Words.</p>",
    "a number of its own": "<p dg0=5 data-docgraph=7>Words.</p>",
    "deep": "<div>" * 5_000 + "<p>Words.</p>",
    "tall": "<p>Words.</p><div style='height:9000000px'></div>",
    "wide": "<p>Words.</p><div style='width:9000000px;height:10px'></div>",
    "far": "<p style='position:absolute;left:1e9px'>Far.</p><p>Words.</p>",
    "misnested": "<b><p>Words.</b> more</p>" * 400,
    "tables": "<table><tr><td>" * 120 + "Words.",
    "frames": "<p>Words.</p>" + "<iframe srcdoc='<script>alert(1)</script><p>x'></iframe>" * 60,
    "many": "<p>Words.</p>" * 5_000,
    "one long word": "<p>Words.</p><p>" + "x" * 1_000_000,
    "surrogates": "<p>Words.</p><p>a\ud800b 𝒳 \0 \x0b</p>",
    "nothing": "",
    "style bomb": "<style>" + "*:not(a) > *:nth-child(2n)," * 2_000 + "b{}</style><p>Words.</p>",
    "filters": "<p>Words.</p>" + "<div style='filter:blur(900px);width:5000px;height:5000px'>" * 20,
    "svg": "<p>Words.</p><svg width=1e6 height=1e6>" + "<g transform='scale(2)'>" * 500 + "<text>x",
    "video": "<p>Words.</p><video autoplay src='data:video/mp4;base64,AAAA'></video><audio autoplay></audio>",
    "downloads": "<p>Words.</p><a download href='data:,x' id=a>x</a><script>a.click()</script>",
    "base": "<base href='file:///etc/'><img src=passwd><link rel=stylesheet href=passwd><p>Words.</p>",
    "javascript address": "<p>Words.</p><iframe src='javascript:parent.document.body.innerHTML=1'></iframe>",
}


@pytest.mark.parametrize("javascript", [False, True])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_page_is_rendered_with_its_text(renderer, name, javascript):
    try:
        document = renderer.render(HOSTILE[name], javascript=javascript)
    except RenderError as error:
        if not (javascript and "refresh" in name and "must stay where it is" in str(error)):
            raise
        return
    if name != "nothing":
        assert node(document, "Words.").box is not None
    assert all(box.x0 <= box.x1 and box.y0 <= box.y1 for box in document.boxes.values())


REFUSED = {
    "a script that does not end": ("<p>Words.</p><script>for(;;);</script>", Bounds(seconds=3), "Bounds.seconds"),
    "a script that eats memory": (
        "<script>const a=[];for(;;)a.push(new Uint8Array(1e7).fill(1))</script>",
        Bounds(memory=700_000_000, seconds=20),
        "Bounds|process",
    ),
    "elements": ("<b>" * 300, Bounds(elements=200), "Bounds.elements"),
    "documents without end": (
        "<body><script>for(;;)document.body.appe"
        "nd(document.body.cloneNode(1))</script>", Bounds(seconds=4), "Bounds|process"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_page_past_a_bound_is_refused_and_the_next_one_is_rendered(name):
    markup, bounds, message = REFUSED[name]
    with Renderer(bounds) as own:
        with pytest.raises((LimitError, RenderError), match=message):
            own.render(markup, javascript=True)
        document = own.render("<p>Words.</p>") if bounds.seconds > 3 or bounds.elements < 1000 else None
        assert document is None or node(document, "Words.").box is not None


def test_a_tall_page_is_cut_in_its_screenshot_and_says_so():
    document = render_page("<p>Words.</p><div style='height:5000px'></div><p>End.</p>", bounds=Bounds(height=1000))
    assert document.images()[0].image.size()[1] == 1000
    assert node(document, "End.").box.y0 > 5000
    assert "render.height" in [warning.code for warning in document.warnings]


def test_many_messages_are_not_many_looks_at_memory(renderer, monkeypatch):
    looks = []
    monkeypatch.setattr("docgraph.render.chromium.memory_of", lambda group: len(looks.append(group) or ""))
    renderer.render("<p>Words.</p>" + "".join(f"<img src={number}.png>" for number in range(400)), screenshot=False)
    assert len(looks) < 400  # each image is two messages at least


# -- ends ------------------------------------------------------------------------------------------------------


@needs_proc
def test_no_process_and_no_profile_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Renderer() as own:
        own.render("<p>Words.</p>")
        group = own._chromium.group
        assert in_session(group)
        os.killpg(group, signal.SIGKILL)
        time.sleep(0.2)
        assert node(own.render("<p>Words.</p>"), "Words.").box is not None
        second = own._chromium.group
    assert not in_session(group)
    assert not in_session(second)
    assert not list(tmp_path.iterdir())


@needs_proc
def test_the_browser_ends_with_a_parent_that_is_killed():
    code = (
        "import time; from docgraph import Renderer\n"
        "r = Renderer(); r.render('<p>Words.</p>'); print(r._chromium.group, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    group = int(parent.stdout.readline())
    assert in_session(group)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until = time.monotonic() + 30
    while in_session(group) and time.monotonic() < until:
        time.sleep(0.1)
    assert not in_session(group)


def test_without_chromium_one_sentence_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr("docgraph.render.chromium.NAMES", ())
    monkeypatch.setattr("docgraph.render.chromium._PLACES", ())
    with pytest.raises(RenderError, match="apt-get install chromium"):
        render_page("<p>Words.</p>")


def test_as_root_the_document_says_that_there_is_no_sandbox(renderer):
    codes = [warning.code for warning in renderer.render("<p>Words.</p>").warnings]
    assert ("render.sandbox" in codes) == (os.geteuid() == 0)


def test_parse_renders_on_request(tmp_path):
    page = tmp_path / "a.html"
    page.write_text("<h1>Title</h1><p>Words.</p>")
    command = [sys.executable, "-m", "training.cli", "parse", str(page), str(page), "--render", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    documents = [Document.from_json(line) for line in done.stdout.splitlines()]
    assert [bool(one.boxes) for one in documents] == [True, True]
    assert base64.b64encode(documents[0].images()[0].image.bytes()).startswith(b"iVBORw0KGgo")


def test_a_page_that_goes_elsewhere_while_it_is_asked_something_says_so():
    from docgraph.render.browser import Tab

    class Gone:
        def call(self, method, *_, **__):
            raise RenderError(f"Chromium must do {method}, but says 'Inspected target navigated or closed'.")

    tab = Tab(Gone(), Bounds(), 0.0, lambda url: None)
    with pytest.raises(RenderError, match="must stay where it is to be rendered, but it goes elsewhere"):
        tab.size()


def test_what_was_refused_is_not_looked_for_again():
    asked, sent = [], []

    class Fake:
        def send(self, method: str, *_: object, **__: object) -> None:
            sent.append(method)

    tab = Tab(Fake(), Bounds(), 0.0, lambda url: asked.append(url))  # type: ignore[arg-type, func-returns-value]
    event = {"requestId": "1", "request": {"url": "https://example.org/b.png"}, "resourceType": "Image"}
    for _ in range(2):
        tab._on_event({"method": "Fetch.requestPaused", "params": event, "sessionId": ""})
    assert (asked, tab.refused) == (["https://example.org/b.png"],) * 2
    assert sent == ["Fetch.failRequest"] * 2
