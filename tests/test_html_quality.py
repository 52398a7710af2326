"""Pinned floors: main text and structure on the shipped pages, and on the gold pages of the larger data.

The forest has seen the gold pages, so their floors guard against a fall and are no estimate of quality; for that see
`tools/train_main_content.py`, which judges every page by trees grown without its site.
"""

import gzip
import json
import re
from collections import Counter
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from bs4.element import Tag

from docgraph import Node
from docgraph.parsers.html.page import parse_html


def shingles(text: str) -> Counter[tuple[str, ...]]:
    tokens = re.findall(r"\w+", text)
    return Counter(tuple(tokens[i : i + 4]) for i in range(max(1, len(tokens) - 3))) if tokens else Counter()


def body_f1(pairs: list[tuple[str, str]]) -> float:
    """4-token shingles, precision and recall averaged over pages: the scrapinghub benchmark's measure, written anew."""
    precision = recall = 0.0
    for gold, found in pairs:
        a, b = shingles(gold), shingles(found)
        both = sum((a & b).values())
        precision += both / max(1, sum(b.values()))
        recall += both / max(1, sum(a.values()))
    p, r = precision / len(pairs), recall / len(pairs)
    return 2 * p * r / (p + r)


def letters(text: str) -> str:
    return re.sub(r"\W+", "", text).lower()


def heading_over(node: Node) -> str:
    for above in node.ancestors:
        if above.kind == "section" and above.children[0].kind == "heading":
            return above.children[0].text
    return ""


def test_main_text_of_the_shipped_pages(sample_data: Path):
    """The pages are rendered from an article and a frame: what stands in the frame must not be main."""
    paths = sorted((sample_data / "html").glob("*.html"))
    assert paths
    for path in paths:
        page = parse_html(path)
        frame = [node.text for node in page.find(role="nav") + page.find(role="footer") if node.is_leaf and node.text]
        assert frame
        assert not [text for text in frame if text in page.main_text]
        body = [node for node in page.find("paragraph") if node.role == "main"]
        assert len(page.main_text) > 0.8 * sum(len(node.text) for node in body) > 300


def article_of(path: Path) -> Tag:
    """The article of a shipped page as BeautifulSoup sees it, without what is beside the text:
    title, byline, captions.
    """
    article = BeautifulSoup(path.read_bytes(), "lxml").find("article")
    assert article is not None
    return article


def test_body_f1_of_the_shipped_pages(sample_data: Path):
    pairs = []
    for path in sorted((sample_data / "html").glob("*.html")) + sorted((sample_data / "pages").glob("*.html")):
        article = article_of(path)
        for tag in [article.find("h1"), *article.select("p.byline, figcaption, table > caption")]:
            if tag is not None:
                tag.decompose()
        pairs.append((article.get_text(" "), parse_html(path).main_text))
    assert len(pairs) == 22
    assert body_f1(pairs) >= 0.99


def test_structure_of_the_shipped_pages(sample_data: Path):
    """At least 95 % of the items, nested items, cells, bound captions and code blocks of the articles,
    boilerplate removed.
    """
    wanted: Counter[tuple[str, str]] = Counter()
    missing: Counter[tuple[str, str]] = Counter()
    for path in sorted((sample_data / "html").glob("*.html")) + sorted((sample_data / "pages").glob("*.html")):
        article, page = article_of(path), parse_html(path, main_only=True)
        want = Counter(
            [("item", letters(tag.get_text())) for tag in article.find_all("li")]
            + [("nested item", letters(tag.get_text())) for tag in article.select("li li")]
            + [("cell", letters(tag.get_text())) for tag in article.select("td, th")]
            + [("code", letters(tag.get_text())) for tag in article.find_all("pre")]
            + [
                ("caption", f"{tag.find('img')['src']} {letters(tag.figcaption.get_text())}")
                for tag in article.find_all("figure")
                if tag.find("img") and tag.figcaption
            ]
        )
        have = Counter((node.kind, letters(node.text)) for node in page.walk() if node.kind in ("item", "cell", "code"))
        have.update(
            ("nested item", letters(node.text))
            for node in page.find("item")
            if any(above.kind == "item" for above in node.ancestors)
        )
        have.update(
            ("caption", f"{image.attributes['src']} {letters(child.text)}")
            for image in page.images()
            if image.parent is not None
            for child in image.parent.children
            if child.kind == "caption"
        )
        wanted += want
        missing += want - have
    kinds = Counter(kind for kind, text in wanted.elements() if text)
    lost = Counter(kind for kind, text in missing.elements() if text)
    assert kinds["item"] > 100
    assert kinds["caption"] > 10
    assert {kind: lost[kind] for kind in kinds if lost[kind] > 0.05 * kinds[kind]} == {}


def test_main_text_of_the_gold_pages(shared_data: Path):
    folder = shared_data / "html_gold"
    truth = json.loads((folder / "scrapinghub_ground_truth.json").read_text("utf-8"))
    pairs = []
    for name, values in truth.items():
        page = parse_html(gzip.decompress((folder / "scrapinghub" / f"{name}.html.gz").read_bytes()))
        pairs.append((values["articleBody"], page.main_text))
    assert body_f1(pairs) >= 0.98


def test_paragraphs_stand_under_their_headings_and_pictures_by_their_captions(shared_data: Path):
    folder = shared_data / "html_images" / "openstax"
    lines = gzip.decompress((folder / "gold.jsonl.gz").read_bytes()).decode("utf-8").splitlines()
    rows = [json.loads(line) for line in lines[:40]]
    paragraphs = right = captions = bound = 0
    for row in rows:
        page = parse_html(folder / "html" / row["label"] / f"{row['id']}.html")
        over = {
            letters(node.text): letters(heading_over(node))
            for node in page.walk()
            if node.kind in ("paragraph", "item")
        }
        figures = {
            (image.attributes["src"].rsplit("/", 1)[-1], letters(image.parent.text))
            for image in page.images()
            if image.parent is not None and image.parent.kind == "figure"
        }
        stack = [(row["tree"], row["tree"]["title"])]
        while stack:
            part, title = stack.pop()
            stack += [(inner, inner.get("title") or title) for inner in part.get("sections", [])]
            for block in part.get("blocks", []):
                if block["type"] == "p" and letters(block["text"]):
                    paragraphs += 1
                    right += over.get(letters(block["text"])) == letters(title)
                elif block["type"] == "figure" and block.get("image") and block.get("caption"):
                    captions += 1
                    bound += (block["image"], letters(block["caption"])) in figures
    assert paragraphs > 300
    assert right / paragraphs >= 0.98
    assert captions > 30
    assert bound / captions >= 0.98


def test_the_forest_fits_its_features():
    """The file of trees was grown on the features as they are now: same names, same order."""
    from docgraph.parsers.html.main.features import FEATURES
    from docgraph.parsers.html.main.forest import main_content

    assert main_content().forest.features == FEATURES


def test_the_forest_is_what_its_trees_say():
    """Against a walk down each tree, node by node, in plain Python."""
    import numpy as np

    from docgraph.parsers.html.main.forest import from_json

    trees = [
        [[0, 0.5, 1, 2], [-1.0], [1, 2.0, 3, 4], [0.25], [3.0]],
        [[1, 1.0, 1, 2], [0.5], [-0.5]],
        [[7.0]],
    ]
    values = {"features": ["a", "b"], "bias": -0.1, "depth": 2, "trees": trees, "names": {}, "texts": {}}
    forest = from_json(values).forest
    matrix = np.asarray([[0.5, 0.0], [0.6, 2.0], [0.6, 2.1], [-3.0, 9.0]], dtype=np.float32)
    for values, probability in zip(matrix.tolist(), forest.predict(matrix).tolist(), strict=True):
        total = -0.1
        for tree in trees:
            node = tree[0]
            while len(node) > 1:
                node = tree[node[2] if values[int(node[0])] <= node[1] else node[3]]  # type: ignore[index]
            total += node[0]
        assert probability == pytest.approx(1 / (1 + np.exp(-total)), abs=1e-12)
