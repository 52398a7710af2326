"""Train the model that docgraph brings, docgraph/embedding/static.npz: a vector for each piece of a word.

    python tools/train_static.py --data ../shared/data --cache teacher.sqlite [--without introduction-anthropology]

    pages ─> passages, headings, captions ... ─ MiniLM, the teacher ─> centred, length 1, its D main directions (n, D)
    pieces alone ─ MiniLM ─> centred, weighted by how rare they are ─> (V, D), where training starts
    ─ ridge regression of the teacher's vectors on the pieces of the texts, towards the start ─> (V, D)
    ─ contrastive training on the pairs that the pages make (docgraph.pairs) ─> (V, D) ─> four bits a number

A piece that the pages lack stays near the teacher's vector of it; so that it has been read beside other words, too,
it is put into windows of sentences in place of others (`swapped`). `--without` leaves a book out: so settings were
chosen, on introduction-anthropology. Data: what docgraph/embedding/static.md names, and nothing else. Ten minutes on
one core, most of them the teacher's; with the cache a command that was cut off goes on.

Sources: Tulkens and van Dongen 2024, model2vec (the start) and tokenlearn (the regression); Arora et al. 2017 (the
weights).  Axes:  n texts   V pieces   D width   W width of the teacher
"""

import argparse
import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch.nn.functional import cross_entropy, embedding_bag, normalize

from benchmarks.retrieval.pages import read_pages
from docgraph import Document, load_document, sentence_spans
from docgraph.embedding.embeddings import unit
from docgraph.embedding.pieces import WordPiece
from docgraph.embedding.static import FILE
from docgraph.pairs import Pair, mine
from docgraph.passages import split, words
from encoders import FeatureCache
from encoders.embedder.texts import TextEncoder

WIDTH = 256
PASSAGE = 160
"""Words of a passage that the teacher reads."""
SWAPPED = 16_384
RARE = 1e-4
"""The weight of a piece with share p of the text is RARE / (RARE + p)."""
INNER = 0.5
"""Weight of pieces inside words beside those that begin them: a word in four pieces is not four times as rare."""
RIDGE, ROUNDS, ITERATIONS = 0.3, 2, 25
STEPS, BATCH, RATE, SHARPNESS = 160, 512, 5e-4, 20.0

Matrix = NDArray[np.float32]
Named = tuple[str, str]
"""The book or site that a text is of, and the text."""


def documents(data: Path) -> Iterator[tuple[str, Document]]:
    """Yield the pages, all of which may be published; a name begins with the book or site."""
    for page in read_pages(data, "ccby")[0]:
        yield page.id, page.document().document
    books = data / "html_images" / "openstax"
    for one in json.loads((books / "index.json").read_text(encoding="utf-8")):
        if one["label"] == "economics":
            yield f"economics/{one['id']}", load_document(books / one["html"])
    for file in sorted((data / "html_images" / "f18" / "html").glob("*.html")):
        yield f"18f/{file.stem}", load_document(file)


def texts_of(pages: Sequence[tuple[str, Document]], pairs: Sequence[Pair], vocabulary: Sequence[str]) -> list[Named]:
    """Return what the teacher reads: half of the passages, all queries of pairs, windows in which words are swapped."""
    passages: list[Named] = []
    sentences: list[Named] = []
    for name, page in pages:
        book = name.partition("/")[0]
        for passage in split(page, PASSAGE, words, fill=32, context=False):
            if words(passage.words) >= 4:
                passages.append((book, passage.words))
            spans = [passage.words[start:stop].strip() for start, stop in sentence_spans(passage.words)]
            sentences += [(book, sentence) for sentence in spans if 4 <= words(sentence) <= 60]
    made = [(pair.document.partition("/")[0], pair.query) for pair in pairs]
    made += swapped(sentences, vocabulary)
    random.Random(0).shuffle(passages)
    return list(dict.fromkeys([*made, *passages[: len(passages) // 2]]))


def swapped(sentences: Sequence[Named], vocabulary: Sequence[str]) -> list[Named]:
    """Return windows of sentences in which two words are others, of the vocabulary, each about as often."""
    draw = random.Random(1)
    others = [piece for piece in vocabulary if re.fullmatch("[a-z]{3,}", piece)] * 3
    draw.shuffle(others)
    long = [(book, sentence.split()) for book, sentence in sentences if len(sentence.split()) >= 6]
    made = []
    for one, other in list(zip(others[::2], others[1::2], strict=False))[:SWAPPED]:
        book, sentence = draw.choice(long)
        size = draw.randint(6, 12)
        start = draw.randint(0, max(len(sentence) - size, 0))
        window = sentence[start : start + size]
        first, second = draw.sample(range(len(window)), 2)
        window[first], window[second] = one, other
        made.append((book, " ".join(window)))
    return made


def bags(pieces: WordPiece, texts: Sequence[str], vocabulary: int) -> sparse.csr_matrix:
    """Return how often (n, V) each piece stands in each text."""
    rows = [pieces.rows(text) for text in texts]
    starts = np.cumsum([0, *map(len, rows)])
    found = np.fromiter((row for some in rows for row in some), np.int64, starts[-1])
    made = sparse.csr_matrix((np.ones(len(found), np.float32), found, starts), shape=(len(texts), vocabulary))
    made.sum_duplicates()
    return made


def weights(vocabulary: Sequence[str], counts: Matrix) -> Matrix:
    """Return (V, 1) how much each piece says: its share is the mean of that in the pages and that by Zipf's law."""
    seen = (counts + 0.5) / (counts + 0.5).sum()
    first = vocabulary.index("the")  # before it are signs and letters, after it come the most common pieces
    law = 1 / (np.maximum(np.arange(len(vocabulary)) - first, 0) + 16)
    made = RARE / (RARE + (seen + law / law.sum()) / 2)
    inner = np.array([piece.startswith("##") for piece in vocabulary])
    return np.asarray(np.where(inner, INNER, 1.0) * made, np.float32)[:, None]


def regressed(start: Matrix, found: sparse.csr_matrix, wanted: Matrix) -> Matrix:
    """Return the table E (V, D) that minimises |S X E - T|^2 + RIDGE |E - start|^2, by conjugate gradients.

    X are the bags of texts, T the teacher's vectors, and S scales each row to length 1; it follows E in rounds.
    """
    table = start.copy()
    for _ in range(ROUNDS):
        scale = 1 / np.maximum(np.linalg.norm(found @ table, axis=1), 1e-6)
        scaled = (sparse.diags(scale.astype(np.float32)) @ found).tocsr()
        turned = scaled.T.tocsr()
        rest = turned @ (wanted - scaled @ table) - RIDGE * (table - start)
        step, size = rest.copy(), (rest * rest).sum(0)
        for _ in range(ITERATIONS):
            moved = turned @ (scaled @ step) + RIDGE * step
            length = size / np.maximum((step * moved).sum(0), 1e-12)
            table += length * step
            rest -= length * moved
            size, before = (rest * rest).sum(0), size
            step = rest + size / np.maximum(before, 1e-12) * step
    return table


def contrasted(table: Matrix, pieces: WordPiece, pairs: Sequence[Pair]) -> Matrix:
    """Return a table after training: of a batch, each query finds its target, and each target its query."""
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.from_numpy(table.copy()))
    optimizer = torch.optim.Adam([weight], lr=RATE)
    sides = [[pieces.rows(text)[:256] for text in (pair.query, pair.target)] for pair in pairs]
    sides = [side for side in sides if all(side)]
    draw, order = np.random.default_rng(0), []

    def read(rows: Sequence[list[int]]) -> torch.Tensor:
        starts = torch.tensor([0, *np.cumsum([len(one) for one in rows])[:-1]])
        return normalize(embedding_bag(torch.tensor([row for one in rows for row in one]), weight, starts, mode="sum"))

    for _ in range(STEPS):
        if len(order) < BATCH:
            order = draw.permutation(len(sides)).tolist()
        some, order = [sides[place] for place in order[:BATCH]], order[BATCH:]
        scores = SHARPNESS * read([query for query, _ in some]) @ read([target for _, target in some]).T
        own = torch.arange(len(some))
        loss = (cross_entropy(scores, own) + cross_entropy(scores.T, own)) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return weight.detach().numpy()


def save(file: Path, vocabulary: Sequence[str], table: Matrix) -> None:
    """Write pieces, and rows in four bits a number, with a scale each; the same table gives the same bytes."""
    scale = np.maximum(np.abs(table).max(1), 1e-9) / 7
    halves = np.split((np.round(table / scale[:, None]) + 8).astype(np.uint8), 2, axis=1)
    arrays: dict[str, Any] = {
        "pieces": np.frombuffer("\n".join(vocabulary).encode(), np.uint8),
        "vectors": halves[0] | halves[1] << 4,
        "scale": scale.astype(np.float32),
    }
    np.savez(file, **arrays)


def main() -> None:
    """Read the pages, ask the teacher, train, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="see docgraph/embedding/static.md")
    parser.add_argument("--cache", type=Path, help="SQLite file that keeps the teacher's vectors")
    parser.add_argument("--without", help="book to leave out, to choose settings on")
    parser.add_argument("--output", type=Path, default=FILE)
    chosen = parser.parse_args()
    teacher = TextEncoder.from_pretrained(device="cpu", cache=FeatureCache(chosen.cache))
    known = teacher.model.tokenizer.get_vocab()
    vocabulary = [one for one in sorted(known, key=known.__getitem__) if one == "[UNK]" or not re.match(r"\[.", one)]
    pieces = WordPiece(vocabulary)
    pages = list(documents(chosen.data))
    pairs = mine(pages)
    texts = [text for book, text in texts_of(pages, pairs, vocabulary) if book != chosen.without]
    pairs = [pair for pair in pairs if not chosen.without or not pair.document.startswith(chosen.without)]
    print(f"{len(pages)} pages, {len(texts)} texts, {len(pairs)} pairs, {len(vocabulary)} pieces", flush=True)
    read = teacher.encode(texts)
    mean = read.mean(0)
    wanted = unit(read - mean)
    directions = np.linalg.svd(wanted, full_matrices=False)[2][:WIDTH].T
    alone = teacher.encode([piece.removeprefix("##") for piece in vocabulary])
    found = bags(pieces, texts, len(vocabulary))
    start = ((alone - alone.mean(0)) @ directions) * weights(vocabulary, np.asarray(found.sum(0)).ravel())
    start[vocabulary.index("[UNK]")] = 0
    table = contrasted(regressed(np.asarray(start, np.float32), found, wanted @ directions), pieces, pairs)
    save(chosen.output, vocabulary, table)
    read_again = unit(found @ table)
    print(f"cosine with the teacher {float((read_again * unit(wanted @ directions)).sum(1).mean()):.3f}")


if __name__ == "__main__":
    main()
