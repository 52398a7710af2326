"""An index of documents in one SQLite file: found by words, by meaning where there is an embedder, or by both.

    documents ─ rows.py ─> document, section, passage, image rows ─ store.py ─> SQLite: texts, vectors, postings.py
    question ─ words.py ─> bm25.py ─┐
             ─ embedder ─> near.py ── search.py ─> z-scores added up ─> hits with their place in the page

    database.py  the file, its version and damage     packed.py, postings.py  numbers of rows, of words, as bytes
    shards.py    rows made elsewhere, for Ray         show.py     hits as a page     answers.py  of one document

    with Index.open("pages.index", create=True) as index:
        index.add(docgraph.load_document(path) for path in paths)
        for hit in index.search("who gets help from the state?", kind="section"):
            print(hit.score, " > ".join(hit.headings), hit.dom_path)

No torch: an embedder is whatever has `encode` and `encode_query` (encoders.Embedder). Up to some ten thousand rows all
vectors are compared by numpy; above, those whose signs differ least (near.py). They are in the file, or in LanceDB
beside it (lance.py); sqlite-vec was tried and needs loadable extensions, which many builds of Python leave out.
"""

from docgraph.index.answers import answers
from docgraph.index.index import Added, Index
from docgraph.index.search import Hit

__all__ = ["Added", "Hit", "Index", "answers"]
