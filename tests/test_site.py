"""Sites: pages joined into one document, links as edges, shared blocks marked, bad pages named."""

import gzip
import json
import os
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from docgraph import (
    DataError,
    Document,
    Domain,
    LimitError,
    Limits,
    ParseError,
    load_document,
    parse_article,
    parse_html,
    parse_site,
)
from docgraph.join import join
from tests.documents import documents, drawn


def png(size=(4, 3)) -> bytes:
    file = BytesIO()
    Image.new("RGB", size, "red").save(file, "PNG")
    return file.getvalue()


NAV = "<nav><ul><li><a href='/index.html'>Home</a><li><a href='/about.html'>About us</a></ul></nav>"
FOOT = "<footer><p>© The harbour company, all rights reserved.</p></footer>"


def page(title: str, body: str, head: str = "") -> str:
    body += "".join(
        f"<p>{title}, part {n}: the boats left at {n} in the morning, and nobody in {title} had seen so many.</p>"
        for n in range(6)
    )
    body = f"{NAV}<main><h1>{title}</h1>{body}</main>{FOOT}"
    return f"<html lang=en><head><title>{title}</title>{head}</head><body>{body}</body></html>"


PAGES = {
    "index.html": page(
        "Home", "<p>Welcome to the harbour. <a href='news/a.html'>First</a> and <a href='news/b'>second</a>.</p>"
    ),
    "about.html": page("About", "<p>We run ferries. <a href='./'>Back</a> <a href='https://elsewhere.org/index.html'>Other</a></p>"),
    "news/a.html": page(
        "First", "<p>It rained. <a href='b.html#top'>Next</a> <a href='#here'>Here</a></p><img src='../img/boat.png'>"
    ),
    "news/b.html": page(
        "Second", "<p>It stopped. <a href='a.html'>Before</a></p><img src='own.png'>", "<base href='/img/'>"
    ),
}  # fmt: skip
NAMES = sorted(PAGES)
# about -> index (and the nav of every page -> index, about); index -> a, b; a -> b.
# b's base is /img/, so a.html is not its link.
EDGES = {
    ("about.html", "index.html"), ("index.html", "about.html"), ("index.html", "news/a.html"), ("index.html",
    "news/b.html"),
    ("news/a.html", "news/b.html"), ("news/a.html", "index.html"), ("news/a.html", "about.html"),
    ("news/b.html", "index.html"), ("news/b.html", "about.html"),
}  # fmt: skip


def write(folder: Path) -> Path:
    for name, markup in PAGES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(markup, encoding="utf-8")
    (folder / "img").mkdir()
    for name in ("boat.png", "own.png"):
        (folder / "img" / name).write_bytes(png())
    (folder / "notes.txt").write_text("no page")
    return folder


def zipped(folder: Path) -> Path:
    path = folder / "site.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, markup in PAGES.items():
            archive.writestr(name, markup)
        archive.writestr("img/boat.png", png())
        archive.writestr("img/own.png", png())
    return path


def record(kind: str, url: str, content_type: str, block: bytes) -> bytes:
    head = f"WARC/1.1\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\n"
    head += f"Content-Type: {content_type}\r\nContent-Length: {len(block)}\r\n\r\n"
    return head.encode() + block + b"\r\n\r\n"


def answer(body: bytes, media: str = "text/html; charset=utf-8", status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {media}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def warc(folder: Path, *, packed: bool = False) -> Path:
    host = "http://harbour.org/"
    records = [record("warcinfo", "", "application/warc-fields", b"software: test\r\n")]
    for number, name in enumerate(NAMES):
        body, headers = PAGES[name].encode(), ()
        if number == 0:
            body, headers = (
                b"%x;ext\r\n%s\r\n64\r\n%s\r\n0\r\n\r\n" % (len(body) - 100, body[:-100], body[-100:]),
                ("Transfer-Encoding: chunked",),
            )
        if number == 1:
            body, headers = gzip.compress(body), ("Content-Encoding: gzip",)
        records.append(record("request", host + name, "application/http", b"GET / HTTP/1.1\r\n\r\n"))
        records.append(
            record(
                "response",
                host + name,
                "application/http; msgtype=response",
                answer(body, "text/html", "200 OK", *headers),
            )
        )
    records += [
        record("response", f"{host}img/{name}", "application/http", answer(png(), "image/png"))
        for name in ("boat.png", "own.png")
    ]
    records.append(record("response", host + "gone.html", "application/http", answer(b"gone", status="404 Not Found")))
    records.append(record("response", host + "data.json", "application/http", answer(b"{}", "application/json")))
    records.append(record("response", "dns:harbour.org", "text/dns", b"1.2.3.4"))
    path = folder / ("site.warc.gz" if packed else "site.warc")
    path.write_bytes(b"".join(map(gzip.compress, records)) if packed else b"".join(records))
    return path


FORMS = {
    "folder": write,
    "zip": zipped,
    "warc": warc,
    "warc.gz": lambda folder: warc(folder, packed=True),
    "pairs": lambda folder: [(f"http://harbour.org/{name}", PAGES[name].encode()) for name in NAMES],
    "mapping": lambda folder: {f"http://harbour.org/{name}": PAGES[name] for name in NAMES},
    "documents": lambda folder: [parse_html(PAGES[name], url=f"http://harbour.org/{name}") for name in NAMES],
}


@pytest.fixture(params=FORMS)
def site(request, tmp_path) -> Document:
    return parse_site(FORMS[request.param](tmp_path))


WARNED = {"folder": {"site.left_out", "site.broken_link"}, "zip": {"site.broken_link"}}
"""Of notes.txt beside the pages, and of a link to a page that the folder or archive should hold and does not."""


def test_pages_are_the_children_of_a_graph_and_links_its_edges(site, request):
    assert (site.root.kind, site.root.domain) == ("site", Domain.GRAPH)
    assert [child.kind for child in site.root.children] == ["page"] * 4
    assert [child.attributes["title"] for child in site.root.children] == ["About", "Home", "First", "Second"]
    edges = {(NAMES[a], NAMES[b]) for a, b in site.edges[0].T.tolist()}
    assert edges == EDGES
    assert site.edges[0].shape == (2, len(EDGES))  # each pair once
    assert {warning.code for warning in site.warnings} == WARNED.get(request.node.callspec.params["site"], set())


def test_the_text_is_that_of_the_pages_in_turn(site):
    pages = [parse_html(PAGES[name]) for name in NAMES]
    assert site.text == "\n\n".join(one.text for one in pages)
    assert [child.text for child in site.root.children] == [one.text for one in pages]


def test_what_pages_share_is_boilerplate_and_the_rest_is_not(site):
    shared = {node.text for node in site.find(role="boilerplate")}
    assert {"Home\n\nAbout us", "© The harbour company, all rights reserved."} <= shared
    assert {n.text for n in site.find(kind="heading") if n.role == "main"} == {
        "About",
        "Home",
        "First",
        "Second",
    }
    assert "harbour company" not in site.main_text
    assert "It rained." in site.main_text
    kept = [n.attributes.get("page_role") for n in site.find(role="boilerplate") if n.parent.role != "boilerplate"]
    assert set(kept) <= {"nav", "footer"}


def test_sites_survive_json_and_networkx(site):
    assert Document.from_json(site.to_json()).same_as(site)
    assert Document.from_networkx(site.to_networkx()).same_as(site)
    assert "Home" in site.outline()
    assert "# First" in site.to_markdown()


@pytest.mark.parametrize("form", ["folder", "zip", "warc", "warc.gz"])
def test_pictures_are_found_from_each_pages_own_folder_and_base(form, tmp_path):
    site = parse_site(FORMS[form](tmp_path))
    assert [node.image.size() for node in site.images()] == [(4, 3), (4, 3)]
    again = Document.from_json(site.to_json())
    assert [node.image.status() for node in again.images()] == ["ok", "ok"]


@pytest.mark.parametrize("form", ["folder", "zip", "warc", "pairs"])
def test_pictures_may_be_skipped_or_fetched_and_only_main_content_kept(form, tmp_path):
    site = parse_site(FORMS[form](tmp_path), images="skip", main_only=True)
    assert {node.image.status() for node in site.images()} == {"refused"}
    assert "harbour company" not in site.text
    fetched = parse_site([("http://a.org/", "<p>x</p><img src='i.png'>")], images=lambda src: png((7, 7)))
    assert fetched.images()[0].image.size() == (7, 7)


def test_documents_bring_their_own_pictures_and_none_reaches_into_anothers_folder(tmp_path):
    parts = []
    for name, size in (("a", (1, 1)), ("b", (2, 2))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "p 1.png").write_bytes(png(size))
        other = "b" if name == "a" else "a"
        (tmp_path / name / "x.html").write_text(
            f"<p>x</p><img src='p%201.png'><img src='../{other}/p%201.png'><img src='/p%201.png'>"
        )
        parts.append(parse_html(tmp_path / name / "x.html"))
    parts.append(parse_article({"image": png((3, 3))}))
    parts.append(parse_article({"image": png((4, 4))}))
    site = parse_site(parts)
    found = [node.image.size() if node.image.status() == "ok" else node.image.status() for node in site.images()]
    assert found == [(1, 1), "missing", (1, 1), (2, 2), "missing", (2, 2), (3, 3), (4, 4)]


def test_with_its_url_a_folder_has_whole_addresses_and_its_pictures_still(tmp_path):
    site = parse_site(write(tmp_path), url="http://harbour.org/")
    assert {(NAMES[a], NAMES[b]) for a, b in site.edges[0].T.tolist()} == EDGES
    assert site.root.children[2].attributes["url"] == "http://harbour.org/news/a.html"
    assert [node.attributes["src"] for node in site.images()] == [
        "http://harbour.org/img/boat.png",
        "http://harbour.org/img/own.png",
    ]
    assert site.images()[0].image.size() == (4, 3)


def test_a_page_is_also_known_by_its_canonical_address(tmp_path):
    pages = [
        ("http://a.org/p?id=1", "<link rel=canonical href='http://a.org/pretty'><p>One <a href='http://a.org/two'>x</a></p>"),
        ("http://a.org/two", "<p>Two <a href='/pretty/'>x</a> <a href='https://www.a.org/pretty#y'>y</a></p>"),
    ]  # fmt: skip
    assert parse_site(pages).edges[0].T.tolist() == [[0, 1], [1, 0]]


def test_bad_pages_are_named_and_set_aside(tmp_path):
    (tmp_path / "site").mkdir()
    folder = write(tmp_path / "site")
    (tmp_path / "secret.html").write_text("<p>secret")
    (folder / "out.html").symlink_to(tmp_path / "secret.html")
    (folder / "gone.html").symlink_to(folder / "nowhere.html")
    site = parse_site(folder)
    assert len(site.root.children) == 4
    assert {warning.code for warning in site.warnings} == {"site.page", "site.left_out", "site.broken_link"}
    assert "secret" not in site.text
    told = " ".join(warning.message for warning in site.warnings)
    assert "page out.html was set aside" in told
    assert "page gone.html was set aside" in told
    with pytest.raises(ParseError, match=r"out|gone"):
        parse_site(folder, strict=True)


def test_a_zip_bomb_costs_one_bounded_read(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.html", b"<p>" + b"word " * 20_000_000)
        archive.writestr("good.html", "<p>good")
    site = parse_site(path, limits=Limits(input_bytes=10_000))
    assert len(site.text) < 11_000
    assert site.truncated
    assert site.text.endswith("good")


def test_a_warc_that_breaks_off_keeps_what_came_before_or_says_so(tmp_path):
    path = warc(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    site = parse_site(path)
    assert 1 <= len(site.root.children) < 4
    assert [warning.code for warning in site.warnings] == ["site.archive"]
    with pytest.raises(ParseError, match="must be a whole WARC file"):
        parse_site(path, strict=True)
    for rubbish in (
        b"",
        b"GET / HTTP/1.1\r\n",
        b"WARC/1.0\r\nContent-Length: x\r\n\r\n",
        b"WARC/1.0\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n",
        gzip.compress(b"WARC/1.0\r\n", mtime=0)[:-5],
    ):
        path.write_bytes(rubbish)
        with pytest.raises(
            ParseError,
            match=r"at least one page|must begin with WARC/|must give its length|must be a whole WARC",
        ):
            parse_site(path)


def test_the_whole_site_is_bounded_in_nodes(tmp_path):
    size = len(parse_html(PAGES["index.html"]))
    site = parse_site(write(tmp_path), limits=Limits(nodes=3 * size))
    assert len(site) <= 3 * size
    assert site.truncated
    assert any(w.code == "limit.nodes" and "was left out" in w.message for w in site.warnings)
    with pytest.raises(LimitError, match=r"Limits\.nodes"):
        parse_site(tmp_path, limits=Limits(nodes=3 * size), strict=True)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("/nowhere/at/all", ParseError, "there is no /nowhere/at/all"),
        (__file__, ParseError, r"must be a folder, a \.zip or a \.warc file"),
        ([], ParseError, "at least one page"),
        ([5], DataError, "must be a Document or an"),
        ([("http://a.org/", 5)], DataError, "must be a Document or an"),
        (["<p>x"], DataError, "must be a Document or an"),
    ],
)
def test_what_is_no_site_is_one_clear_error(source, error, message):
    with pytest.raises(error, match=message):
        parse_site(source)


def test_an_empty_folder_and_a_file_that_is_no_zip_are_named(tmp_path):
    with pytest.raises(ParseError, match="at least one page"):
        parse_site(tmp_path)
    (tmp_path / "x.zip").write_bytes(b"no zip")
    with pytest.raises(ParseError, match=r"x\.zip must be a zip archive"):
        parse_site(tmp_path / "x.zip")


def test_short_headings_and_cells_that_repeat_stay_content_and_copies_keep_their_text():
    body = (
        "<h2>Summary</h2><p>About number {0}, told at length.</p><table><tr><th>Year<th>Value<tr><td>{0}<td>yes</table>"
    )
    site = parse_site([(f"http://a.org/{n}", page(f"Page {n}", body.format(n))) for n in range(5)])
    assert {n.role for n in site.find(kind="heading")} == {"main"}
    assert {n.role for n in site.find(kind="cell")} == {"main"}
    copies = parse_site([(f"http://a.org/{n}", page("Same", "<p>The very same words.</p>")) for n in range(5)])
    assert copies.main_text.count("The very same words.") == 5
    assert "harbour company" not in copies.main_text
    two = parse_site([(f"http://a.org/{n}", page("Same", "<p>x</p>")) for n in range(2)])
    assert not two.find(role="boilerplate")
    assert not parse_site([(f"http://a.org/{n}", page(f"P{n}", "<p>x</p>")) for n in range(4)], mark_shared=False).find(
        role="boilerplate"
    )


@drawn
@given(
    st.lists(documents(most_nodes=8), min_size=1, max_size=4),
    st.sampled_from([Domain.SEQUENCE, Domain.SET, Domain.GRAPH]),
)
def test_joined_documents_keep_every_node_as_it_was(parts, domain):
    whole = join(parts, kind="site", domain=domain)
    assert Document.from_json(whole.to_json()).same_as(whole)
    assert whole.root.domain is domain
    row = 1
    for ordinal, part in enumerate(parts):
        assert whole[row].position == ((0, 0) if domain is Domain.SET else (ordinal, 0))
        for node in part:
            moved = whole[row + node.row]
            assert (moved.kind, moved.text, moved.domain) == (node.kind, node.text, node.domain)
            assert moved.document.role[moved.row] == part.role[node.row]
            assert (moved.key, dict(moved.attributes), moved.box, moved.score) == (
                node.key,
                dict(node.attributes),
                node.box,
                node.score,
            )
            assert [(*m[3:], whole.text[m.start : m.end]) for m in moved.marks] == [
                (*m[3:], part.text[m.start : m.end]) for m in node.marks
            ]
            assert moved.source == node.source
            if node.row and node.parent.domain is not Domain.KEYED:
                assert moved.position == node.position
            if node.row in part.edges:
                assert np.array_equal(whole.edges[moved.row], part.edges[node.row])
        row += len(part)
    assert row == len(whole)


def test_real_pages_of_one_site(shared_data):
    folder = shared_data / "html_images/f18/html"
    pages = sorted(folder.glob("*.html"))[:40]
    site = parse_site([parse_html(path) for path in pages])
    assert len(site.root.children) == 40
    footers = [n for n in site.find(role="boilerplate") if n.attributes.get("page_role") == "footer"]
    assert len(footers) == 40
    assert all(page.find("heading") for page in site.root.children)


def test_addresses_that_nobody_can_read_join_nothing(tmp_path):
    bad = '<link rel=canonical href="http://[x"><base href="//[b"><a href="//[z">q</a><img src="//[y/a.png"><p>t'
    for name in ("a.html", "b[1].html"):
        (tmp_path / name).write_text(bad, "utf-8")
    for url in (None, "https://example.org/", "http://[bad/"):
        site = parse_site(tmp_path, url=url)
        assert len(site.root.children) == 2
        assert site.edges[0].shape == (2, 0)


def test_files_that_are_no_pages_are_counted_and_named(tmp_path):
    folder = write(tmp_path)
    for name in ("readme.md", "style.css", "plan.pdf"):
        (folder / name).write_text("x")
    [said] = [one.message for one in parse_site(folder).warnings if one.code == "site.left_out"]
    assert said.startswith("4 files of the site are no pages: ")
    assert all(f"1 {suffix} (" in said for suffix in (".md", ".css", ".pdf", ".txt"))
    assert "img" not in said  # images are what image nodes open
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        archive.writestr("a.html", "<p>A.")
        archive.writestr("b.txt", "B.")
    assert "1 .txt (b.txt)" in " ".join(one.message for one in parse_site(tmp_path / "s.zip").warnings)


def test_a_folder_of_texts_is_a_site_too(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "index.md").write_text("# Home\n\nRead [the rules](docs/rules.md).")
    (tmp_path / "docs" / "rules.md").write_text("# Rules\n\nBack [home](../).")
    (tmp_path / "note.txt").write_text("A note.")
    site = parse_site(tmp_path)
    assert [page.attributes["name"] for page in site.root.children] == ["docs/rules.md", "index.md", "note.txt"]
    assert site.edges[0].T.tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("url", [None, "https://example.org/docs/"])
def test_links_to_files_that_the_site_does_not_have_are_named_with_the_pages_that_link(tmp_path, url):
    pages = {
        "index.html": "<a href=gone.html>1</a> <a href=sub/b.html>2</a> <a href='sub/'>3</a> <a href='#top'>4</a>",
        "sub/b.html": "<a href='../gone.html?x=1#y'>1</a> <a href=plan.pdf>2</a> <a href='mailto:a@b.org'>3</a>"
        "<a href='/else/a.html'>4</a> <a href='https://other.org/x.html'>5</a> <a href='../index.html'>6</a>",
    }
    (tmp_path / "sub").mkdir()
    for name, body in pages.items():
        (tmp_path / name).write_text(f"<main><p>Some words. {body}</p></main>")
    (tmp_path / "sub" / "plan.pdf").write_bytes(b"%PDF")
    site = parse_site(tmp_path, url=url)
    broken = [
        (one.message, site[one.row].attributes["name"]) for one in site.warnings if one.code == "site.broken_link"
    ]
    said = [("gone.html is not there, but pages link to it: index.html, sub/b.html (2 in all).", "index.html")]
    if url is None:  # an absolute path is one of the folder where nothing says otherwise
        said.append(("else/a.html is not there, but pages link to it: sub/b.html (1 in all).", "sub/b.html"))
    assert broken == said


def test_thousands_of_broken_links_are_counted_after_the_first_hundred(tmp_path):
    (tmp_path / "a.html").write_text("<main>" + "".join(f"<p><a href=x{n}.html>Link {n}.</a>" for n in range(250)))
    broken = [one.message for one in parse_site(tmp_path).warnings if one.code == "site.broken_link"]
    assert len(broken) == 101
    assert broken[-1].startswith("150 more files")


odd_names = pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="file names are Unicode on this system")


@odd_names
def test_a_name_that_is_no_utf_8_is_one_page_like_the_others(tmp_path):
    folder = os.fsencode(tmp_path)
    for name, text in ((b"caf\xe9.html", b"<p>One. <a href='caf%C9.html'>x</a>"), (b"caf\xc9.html", b"<p>Two.")):
        (Path(os.fsdecode(os.path.join(folder, name)))).write_bytes(text)
    Path(os.fsdecode(os.path.join(folder, b"d\xe9.html"))).write_bytes(b"<p>Three. <img src='b%EEld.png'>")
    Path(os.fsdecode(os.path.join(folder, b"b\xeeld.png"))).write_bytes(png())
    site = parse_site(tmp_path)
    assert [page.attributes["name"] for page in site.root.children] == ["caf%C9.html", "caf%E9.html", "d%E9.html"]
    assert site.edges[0].T.tolist() == [[1, 0]]
    assert not [one for one in site.warnings if one.code == "site.broken_link"]
    assert site.images()[0].image.open().size
    json.dumps(json.loads(site.to_json()), ensure_ascii=False).encode("utf-8")
    assert Document.from_json(site.to_json()).same_as(site)
    one = load_document(Path(os.fsdecode(os.path.join(folder, b"caf\xe9.html"))))
    assert one.metadata.source == "caf%E9.html"
