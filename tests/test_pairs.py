"""What pages say of themselves: which text speaks of which passage, and that it is not in there itself."""

from itertools import combinations

import pytest

from docgraph import DocumentBuilder, load_document, parse_html
from docgraph.metadata import Metadata
from docgraph.pairs import KINDS, Pair, group_of, mine
from tests.blocks import ROOT
from tests.growth import assert_linear

HARBOUR = """<title>The harbour of Larne</title><main><h1>The harbour of Larne</h1>
<p>It rained for the whole of that day. So the ferry stayed at the quay until the storm had gone.</p>
<h2>Timetable</h2><p>Boats leave every hour from six in the morning. On Sundays there are none before eight o'clock.</p>
<table><caption>Fares by season</caption><tr><th>season<th>adult<th>child<tr><td>winter months<td>4 pounds<td>2 pounds
<tr><td>summer months<td>6 pounds<td>3 pounds</table>
<figure><img src=a.jpg alt="a white boat with two funnels beside a stone wall"><figcaption>The old ferry at rest
</figcaption></figure>
<h2>Notes</h2><dl><dt>Quay</dt><dd>A wall of stone where ships lie while they are being loaded.</dd></dl>
<p>See <a href="cliffs.html#top">walks over the cliffs</a>, or <a href="cliffs.html">read more</a>
and <a href="https://elsewhere.org/">a page that is elsewhere</a>.</p></main>"""
CLIFFS = """<title>Cliffs</title><nav><a href="harbour.html">back to the harbour</a></nav><main><h1>Cliffs</h1>
<p>The path begins behind the church, and leads up to the lighthouse in an hour.</p>
<h2>Notes</h2><p>Dogs must be kept on a lead where sheep graze between May and October.</p>
<p>You may <a href="harbour.html">read more</a> about how to get here with a boat from the other side.</p></main>"""
SITE = [("site/harbour.html", parse_html(HARBOUR)), ("site/cliffs.html", parse_html(CLIFFS))]


@pytest.fixture(scope="module")
def pairs():
    return mine(SITE, fill=1)


def of(pairs, kind):
    return [(pair.query, pair.target) for pair in pairs if pair.kind == kind]


def test_a_heading_asks_for_the_passages_under_it(pairs):
    boats = "Boats leave every hour from six in the morning. On Sundays there are none before eight o'clock."
    assert ("Timetable", boats) in of(pairs, "heading")


def test_a_title_asks_for_what_opens_the_page(pairs):
    assert [target[:9] for query, target in of(pairs, "title") if query == "Cliffs"] == ["The path ", "Dogs must"]


def test_a_heading_or_link_that_stands_for_several_places_asks_for_none(pairs):
    assert "Notes" not in {pair.query for pair in pairs}
    assert "read more" not in {pair.query for pair in pairs}


def test_a_caption_asks_for_its_table_without_the_caption(pairs):
    rows = "season | adult | child\nwinter months | 4 pounds | 2 pounds\nsummer months | 6 pounds | 3 pounds"
    assert of(pairs, "table") == [("Fares by season", rows)]


def test_a_caption_asks_for_what_the_image_shows(pairs):
    alt = "a white boat with two funnels beside a stone wall"
    assert of(pairs, "image") == [("The old ferry at rest", alt)]


def test_a_first_sentence_asks_for_the_rest_of_its_paragraph(pairs):
    rest = "So the ferry stayed at the quay until the storm had gone."
    assert ("It rained for the whole of that day.", rest) in of(pairs, "opening")


def test_a_term_asks_for_its_definition(pairs):
    assert of(pairs, "term") == [("Quay", "A wall of stone where ships lie while they are being loaded.")]


def test_a_link_asks_for_the_page_that_it_leads_to(pairs):
    (link,) = (pair for pair in pairs if pair.kind == "link")
    assert (link.query, link.document) == ("walks over the cliffs", "site/cliffs.html")
    assert link.target == "The path begins behind the church, and leads up to the lighthouse in an hour."


def test_a_caption_is_cut_out_of_the_passage_that_holds_it():
    builder = DocumentBuilder()
    builder.open("page")
    builder.block("paragraph", "Short words before.")
    builder.open("figure")
    builder.leaf("image", attributes={"src": "a.jpg", "alt": ""})
    builder.block("caption", "The lighthouse in the fog")
    builder.close()
    builder.block("paragraph", "And these are more of them after it.")
    builder.close()
    made = mine([("a", builder.build(metadata=Metadata(title="Fog")))], fill=100)
    want = "Short words before.\n\nAnd these are more of them after it."
    assert of(made, "caption") == [("The lighthouse in the fog", want)]


def test_a_caption_asks_for_the_paragraph_before_its_figure_where_it_stands_alone():
    page = """<h1>A</h1><p>We walked along the beach until we came to the tower, which is white and tall.</p>
    <figure><img src=a.jpg><figcaption>The lighthouse in the fog</figcaption></figure><p>It was late and cold by then,
    and there were still nine miles to go.</p>"""
    (pair,) = (pair for pair in mine([("a", parse_html(page))], fill=1) if pair.kind == "caption")
    assert pair.target.startswith("We walked along the beach")


@pytest.mark.parametrize("fill", [1, 32, 200])
def test_the_querys_own_words_are_not_in_the_target(fill):
    """Prose may repeat a heading; the heading itself stands in the section once more than in the target."""
    files = sorted((ROOT / "sample_data").rglob("*.html"))
    documents = {file.as_posix(): load_document(file) for file in files}
    made = mine(documents.items(), fill=fill, limit=128)
    assert {"heading", "title", "caption", "image", "opening"} <= {pair.kind for pair in made} <= set(KINDS)
    for pair in (pair for pair in made if pair.kind in ("heading", "caption", "opening")):
        document, (first, end) = documents[pair.document], pair.scope
        whole = " ".join(document.text[document.span[first, 0] : document.span[end - 1, 1]].split())
        assert whole.count(pair.query) > " ".join(pair.target.split()).count(pair.query), pair


def test_pairs_of_one_section_are_not_each_others_negatives(pairs):
    """By definition: two rows that are the same, an ancestor, or under one heading."""
    document = SITE[0][1]
    (timetable,) = (row for row in range(len(document)) if document[row].text == "Timetable")
    section = range(document.parent[timetable], document.subtree_end[document.parent[timetable]])
    here = [pair for pair in pairs if pair.document == "site/harbour.html"]
    heading = next(pair for pair in here if pair.query == "Timetable")
    inside = [pair for pair in here if pair.scope[0] in section or pair.kind == "title"]
    assert len(inside) > 4
    assert all(heading.overlaps(pair) and pair.overlaps(heading) for pair in inside)
    assert not any(heading.overlaps(pair) for pair in here if pair.scope[0] >= section.stop)
    assert not any(one.overlaps(two) for one, two in combinations(pairs, 2) if one.document != two.document)


def test_the_same_target_is_never_a_negative():
    one, two = Pair("heading", "a", "text", "x", (0, 1)), Pair("heading", "b", "text", "y", (5, 6))
    assert one.overlaps(two)


def test_the_group_is_the_host_or_the_folder():
    assert group_of("https://a.org/b/c") == group_of("https://a.org/d") == "a.org"
    assert group_of("books/art/1.html") == group_of("books/art/2.html") != group_of("books/law/1.html")


def test_hostile_documents_make_no_pairs_and_no_errors():
    for page in ("", "<h1></h1>", "<figure><figcaption>", "<dl><dt>a<dt>b</dl>", "<a href='http://[x'>one two</a>" * 3):
        assert mine([("a", parse_html(page))]) == []


@pytest.mark.parametrize(
    "part",
    [
        "<dt>Quay {0}<dd>A wall of stone where ship {0} lies while it is being loaded.",
        "<figure><img src=a.jpg alt='a white boat with two funnels'><figcaption>The old ferry {0} at rest</figcaption>"
        "</figure><p>It rained for the whole of day {0}, so that the ferry stayed at the quay until the evening.</p>",
    ],
)
def test_terms_and_captions_take_linear_time(part):
    def page(count):
        return parse_html(f"<main>{'<dl>' * ('<dt>' in part)}{''.join(map(part.format, range(count)))}</main>")

    assert len(assert_linear(lambda document: mine([("a", document)]), page(150), page(1_200))) >= 1_200
