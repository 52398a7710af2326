"""Three small pages, an embedder that needs no model, and what an index holds: for tests of index and retrieval."""

import sqlite3
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from docgraph import Document, parse_html
from docgraph.chunks import chunks
from docgraph.index import Index, postings

PAGES = {
    "bread": "<title>Bread</title><h1>Bread</h1><p>Time does the kneading.</p><h2>Oven</h2>"
    "<p>Heat the pot. Bake the loaf.</p>",
    "soup": "<title>Soup</title><h1>Soup</h1><p>Onions need time.</p><h2>Pot</h2><p>A wide pot with a lid.</p>"
    "<figure><img src=a.png alt='A copper kettle'><figcaption>The pot on the fire.</figcaption></figure>",
    "boat": "<title>Boat</title><h1>Boat</h1><p>The keel is of oak.</p><table><tr><th>mast</th>"
    "<td>9 m</td></tr></table>",
}


def pages() -> list[tuple[str, Document]]:
    return [(name, parse_html(html)) for name, html in PAGES.items()]


class Letters:
    """An embedder whose vectors are counts of letters: near is what is spelled alike."""

    name = fingerprint = "letters"

    def vector(self, text: str) -> np.ndarray:
        counts = Counter(text.lower())
        return np.array([counts[letter] for letter in "abcdefghijklmnopqrstuvwxyz"], np.float32)

    def encode(self, documents: list[Document], level: list[str], ids: list[str]) -> Any:
        made = [
            (name, chunk, next((row for row in chunk.rows if document.kind[row] != "heading"), chunk.rows[0]))
            for name, document in zip(ids, documents, strict=True)
            for chunk in chunks(document, 50, parents=True, document_id=name)
        ]
        return SimpleNamespace(
            document_id=np.array([name for name, _, _ in made]),
            node_row=np.array([row for _, _, row in made]),
            span=np.array([chunk.span for _, chunk, _ in made]),
            kind=np.array([chunk.kind for _, chunk, _ in made]),
            vectors=np.array([self.vector(chunk.text) for _, chunk, _ in made]),
            **{
                name: [getattr(chunk, name) for _, chunk, _ in made]
                for name in ("id", "level", "headings", "dom_path", "text")
            },
        )

    def encode_query(self, texts: list[str]) -> np.ndarray:
        return np.array([self.vector(text) for text in texts])


def content(path: Path) -> list[Any]:
    """All rows but their numbers, which depend on the order of writing."""
    connection = sqlite3.connect(path)
    nodes = connection.execute(
        "SELECT d.id, n.level, n.id, n.kind, n.headings, n.start, n.stop, n.text FROM nodes n JOIN documents d "
        "ON d.number = n.document ORDER BY n.id"
    ).fetchall()
    numbered = dict(connection.execute("SELECT number, id FROM nodes"))
    connection.close()
    with Index.open(path) as made:
        numbers, rows = made._store.vectors("passage")
        words = {
            (level, term, numbered[number], *part.tolist())
            for level in ("section", "passage")
            for segment, some in postings.rows_of(made._store.connection, level).items()
            for term, one in terms_of(made._store.connection, segment, len(some))
            for number, part in zip(
                some[one.rows].tolist(), np.split(one.places, np.cumsum(one.times)[:-1]), strict=True
            )
            if number in numbered
        }
    vectors = sorted((numbered[number], row.tobytes()) for number, row in zip(numbers.tolist(), rows, strict=True))
    return [nodes, words, vectors]


def terms_of(connection: sqlite3.Connection, segment: int, size: int) -> list[tuple[str, postings.Posting]]:
    """Return the terms of a segment, and where they stand."""
    terms = connection.execute("SELECT term FROM postings WHERE segment = ?", (segment,)).fetchall()
    return [(term, postings.read(connection, {segment: size}, term, places=True)[segment]) for (term,) in terms]
