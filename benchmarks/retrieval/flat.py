"""Flat sets: XQuAD (question -> passage, in English, Chinese and Russian) and Cranfield (question -> abstracts)."""

import gzip
import json
import re
from pathlib import Path

from docgraph import Document, DocumentBuilder
from docgraph.metadata import Metadata

Flat = tuple[list[Document], list[str], list[dict[int, float]]]
"""Documents, queries, and for each query the documents that answer it, with their gains."""


def document(text: str, title: str | None = None) -> Document:
    """Return one paragraph as a document."""
    builder = DocumentBuilder()
    builder.open("page")
    builder.block("paragraph", text)
    builder.close()
    return builder.build(metadata=Metadata(title=title))


def xquad(data: Path, language: str) -> Flat:
    """Return the passages and questions of one language."""
    with gzip.open(data / "retrieval" / f"xquad.{language}.json.gz", "rt", encoding="utf-8") as file:
        articles = json.load(file)["data"]
    passages = [paragraph for article in articles for paragraph in article["paragraphs"]]
    asked = [(one["question"], place) for place, passage in enumerate(passages) for one in passage["qas"]]
    documents = [document(passage["context"]) for passage in passages]
    return documents, [question for question, _ in asked], [{place: 1.0} for _, place in asked]


def cranfield(data: Path) -> Flat:
    """Return abstracts, questions and judgements: grades 1 (a complete answer) to 4 have gains 4 to 1, others none."""
    folder = data / "retrieval" / "cranfield"
    with gzip.open(folder / "cran.all.1400.gz", "rt", encoding="utf-8", errors="replace") as file:
        records = re.split(r"^\.I \d+\n", file.read(), flags=re.MULTILINE)[1:]
    parts = [re.split(r"^\.[TABW]\n", record, flags=re.MULTILINE) for record in records]
    documents = [document(" ".join(part[-1].split()) or "empty", " ".join(part[1].split())) for part in parts]
    questions = re.split(r"^\.I \d+\n\.W\n", (folder / "cran.qry").read_text(), flags=re.MULTILINE)[1:]
    wanted: list[dict[int, float]] = [{} for _ in questions]
    for line in (folder / "cranqrel").read_text().splitlines():
        query, place, grade = map(int, line.split()[:3])
        if 1 <= grade <= 4 and query <= len(wanted) and place <= len(documents):
            wanted[query - 1][place - 1] = 5.0 - grade
    kept = [number for number, one in enumerate(wanted) if one]
    return documents, [" ".join(questions[n].split()) for n in kept], [wanted[n] for n in kept]
