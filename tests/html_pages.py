"""Pages to test the parser with: the shipped ones, and those at hand in the larger data."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import turbohtml


def pages_of(folder: Path) -> Iterator[bytes]:
    """Yield the bytes of the pages in a folder, in order of their names."""
    for path in sorted(folder.rglob("*.html*")):
        data = path.read_bytes()
        yield gzip.decompress(data) if path.suffix == ".gz" else data


def as_a_browser_writes_it(markup: str) -> str:
    """Return the markup of the standard's tree of a page: every element ends where a browser has it.

    Comments and scripts are left out, for other parsers do not agree with the standard where they end.
    That it is the standard's tree is tested in test_html_tree.py.
    """
    page = turbohtml.parse(markup, allow_declarative_shadow_roots=False)
    for node in list(page.descendants):
        if isinstance(node, turbohtml.Comment) or (isinstance(node, turbohtml.Element) and node.tag == "script"):
            node.extract()
    return page.html
