"""The systems that the parsing benchmark compares: how each is called, and what it says is on a page.

    System: run(markup, url) ─> its own result ─┬─ text ─> main text      ─┬─ structure ─> Structure or None
                                                └─ metadata ─> fields or None

Each is called as its documentation says, with the options that keep most of what is measured. A system that is not
installed is named and left out. unstructured fetches a spaCy model when first used; the pages are read without
network, so it gets a blank English pipeline with a rule sentencizer instead: text and structure do not depend on it.
"""

import importlib.metadata
import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from bs4 import BeautifulSoup

from benchmarks.parsing.gold import Structure, address_key, letters, structure_of_html
from docgraph import Document, Node, parse_html


@dataclass(frozen=True)
class System:
    run: Callable[[str, str], Any]
    text: Callable[[Any], str]
    structure: Callable[[Any], Structure] | None = None
    metadata: Callable[[Any], dict[str, str | None]] | None = None


def docgraph(**options: Any) -> System:
    return System(
        lambda page, url: parse_html(page, url=url, **options),
        lambda document: document.main_text,
        structure_of_document,
        lambda document: {
            "title": document.metadata.title, "byline": ", ".join(document.metadata.authors),
            "siteName": document.metadata.site_name, "publishedTime": document.metadata.date,
            "lang": document.metadata.language,
        },
    )  # fmt: skip


def structure_of_document(document: Document) -> Structure:
    found = Structure()
    over = [""] * len(document)
    """Of each row: the heading that it stands under."""
    inside_item = [False] * len(document)
    for row, node in enumerate(document.walk()):
        above = document.parent[row]
        if above >= 0:
            over[row] = over[above]
            inside_item[row] = inside_item[above] or document.kind[above] == "item"
        text = letters(node.text)
        if node.kind == "section":
            # Not always its first child: the time of an entry of a live blog stands before its heading.
            headings = [child for child in node.children if child.kind == "heading"]
            over[row] = letters(headings[0].text) if headings else over[row]
        elif node.kind == "heading":
            found.add(found.headings, text)
        elif node.kind == "paragraph":
            found.add(found.paragraphs, text, over[row])
        elif node.kind == "item":
            found.add(found.items, text, over[row])
            if inside_item[row]:
                found.add(found.nested, text)
        elif node.kind == "cell":
            found.add(found.cells, text, over[row])
        elif node.kind in ("quote", "definition", "caption"):
            found.over.setdefault(text, set()).add(over[row])
        elif node.kind == "image":
            _add_picture(found, node)
    return found


def _add_picture(found: Structure, node: Node) -> None:
    listed = [node.attributes.get("src"), *(c["src"] for c in node.attributes.get("candidates", ()))]
    addresses = frozenset(address_key(address) for address in listed if address)
    found.pictures.append(addresses)
    figure = next((above for above in node.ancestors if above.kind == "figure"), None)
    if figure is not None and (said := " ".join(c.text for c in figure.children if c.kind == "caption")):
        found.pairs.append((addresses, letters(said)))


def readability() -> System:
    import html_text
    from readability import Document as Readable

    def run(page: str, url: str) -> tuple[str, Any]:
        document = Readable(page, url=url)
        return document.summary(), document

    return System(
        run,
        lambda result: html_text.extract_text(result[0]),
        lambda result: structure_of_html(result[0]),
        lambda result: {"title": result[1].short_title(), "byline": result[1].author()},
    )


def trafilatura(**options: Any) -> System:
    import trafilatura

    return System(
        lambda page, url: trafilatura.extract(page, url=url, include_comments=False, **options) or "",
        lambda text: text,
    )


_XML_NAMES = {
    "head": "h2", "item": "li", "list": "ul", "row": "tr", "cell": "td", "graphic": "img", "quote": "blockquote",
}  # fmt: skip


def trafilatura_rich() -> System:
    import trafilatura

    def run(page: str, url: str) -> tuple[str, str]:
        xml = trafilatura.extract(
            page, url=url, output_format="xml", include_comments=False, include_images=True, include_links=True,
            include_formatting=True, include_tables=True, with_metadata=True,
        )  # fmt: skip
        return xml or "<doc/>", url

    def structure(result: tuple[str, str]) -> Structure:
        xml = result[0]
        for name, html in _XML_NAMES.items():
            xml = re.sub(rf"<(/?){name}\b", rf"<\1{html}", xml)
        return structure_of_html(xml)

    def metadata(result: tuple[str, str]) -> dict[str, str | None]:
        own = BeautifulSoup(result[0], "lxml").find("doc")
        get = (lambda name: own.get(name)) if own is not None else lambda name: None
        return {
            "title": get("title"), "byline": get("author"), "siteName": get("sitename"),
            "publishedTime": get("date"), "lang": get("language"),
        }  # fmt: skip

    return System(run, lambda result: BeautifulSoup(result[0], "lxml").get_text("\n"), structure, metadata)


def resiliparse() -> System:
    from resiliparse.extract.html2text import extract_plain_text

    return System(
        lambda page, url: extract_plain_text(page, main_content=True, list_bullets=False, alt_texts=False),
        lambda text: text,
    )


def resiliparse_html() -> System:
    from resiliparse.extract.html2text import extract_plain_text

    return System(
        lambda page, url: extract_plain_text(page, preserve_formatting="minimal_html", main_content=True, links=True),
        lambda markup: BeautifulSoup(markup, "lxml").get_text("\n"),
        structure_of_html,
    )


def docling() -> System:
    from docling.backend.html_backend import HTMLDocumentBackend
    from docling.datamodel.base_models import InputFormat
    from docling.datamodel.document import InputDocument

    def run(page: str, url: str) -> Any:
        data = BytesIO(page.encode("utf-8", "replace"))
        source = InputDocument(
            path_or_stream=data, format=InputFormat.HTML, backend=HTMLDocumentBackend, filename="page.html"
        )
        return HTMLDocumentBackend(in_doc=source, path_or_stream=data).convert()

    return System(
        run,
        lambda document: document.export_to_text(),
        lambda document: structure_of_html(document.export_to_html()),
        lambda document: {"title": next((item.text for item in document.texts if item.label == "title"), None)},
    )


def unstructured() -> System:
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("SCARF_NO_ANALYTICS", "true")
    import spacy
    from unstructured.nlp import tokenize
    from unstructured.partition.html import partition_html

    plain = spacy.blank("en")
    plain.add_pipe("sentencizer")
    tokenize._load_spacy_model = lambda: plain
    return System(
        lambda page, url: partition_html(text=page, skip_headers_and_footers=True),
        lambda elements: "\n\n".join(element.text for element in elements),
        _structure_of_elements,
    )


def _structure_of_elements(elements: list[Any]) -> Structure:
    found = Structure()
    by_id = {element.id: element for element in elements}
    for element in elements:
        text, about = letters(element.text), element.metadata
        above = by_id.get(about.parent_id)
        while above is not None and above.category != "Title":
            above = by_id.get(above.metadata.parent_id)
        heading = letters(above.text) if above is not None else ""
        if element.category == "Title":
            found.add(found.headings, text)
        elif element.category == "ListItem":
            found.add(found.items, text, heading)
            if about.category_depth:
                found.add(found.nested, text)
        elif element.category == "Table" and about.text_as_html:
            for cell in BeautifulSoup(about.text_as_html, "lxml").find_all(["td", "th"]):
                found.add(found.cells, letters(cell.get_text()), heading)
        elif element.category == "Image":
            found.pictures.append(frozenset((address_key(about.image_url or ""),)))
        else:
            found.add(found.paragraphs, text, heading)
    return found


SYSTEMS: dict[str, tuple[str, Callable[[], System]]] = {
    "docgraph": ("docgraph", docgraph),
    "docgraph, main only": ("docgraph", lambda: docgraph(main_only=True)),
    "trafilatura": ("trafilatura", trafilatura),
    "trafilatura, precision": ("trafilatura", lambda: trafilatura(favor_precision=True)),
    "trafilatura, XML with all": ("trafilatura", trafilatura_rich),
    "readability-lxml": ("readability-lxml", readability),
    "resiliparse": ("resiliparse", resiliparse),
    "resiliparse, minimal HTML": ("resiliparse", resiliparse_html),
    "docling": ("docling-slim", docling),
    "unstructured": ("unstructured", unstructured),
}
"""Name -> package and how to set it up."""


def version(package: str) -> str | None:
    if package == "docgraph":
        import docgraph as package_itself

        return package_itself.__version__
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def set_up(name: str) -> System | None:
    """Return a system ready to run, or None, said aloud, if it is not installed or cannot run here."""
    package, make = SYSTEMS[name]
    if version(package) is None:
        print(f"{name}: {package} is not installed, left out", flush=True)
        return None
    try:
        system = make()
    except (ImportError, RuntimeError, OSError) as error:
        print(f"{name}: cannot run here, left out ({str(error)[:160]})", flush=True)
        return None
    logging.disable(logging.CRITICAL)
    return system
