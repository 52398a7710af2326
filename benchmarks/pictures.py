"""Do pixels help to find an image by its caption, beside the words around it?

    python -m benchmarks.pictures [--cache FILE]

The captions of OpenStax's figures are taken out of their pages; each then asks for its image among all images of
its books (a third of the twelve at a time), or of its page. No image-text model is at hand, so pixels are read by
EfficientNet-Lite0 (ImageNet) and taken to the text's space by a ridge regression onto MiniLM's vectors of the captions
of the other two thirds. Its strength, and the weight of pixels beside words, are chosen within these by books as well.

    BM25, MiniLM             the words of the passage around the image, under its title and headings
    docgraph                 the image's vector of `Embedder`: alternative text, and a share of what is around it
    BM25 + docgraph          standard scores, added up
    + pixels                 the same and what the regression makes of the pixels
    pixels                   alone

Once as the pages are, with alternative texts, and once without them, as most pages of the web are. Differences: 95 %
interval of a paired bootstrap over captions. Writes benchmarks/results/pictures.json and pictures.md.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from bs4 import BeautifulSoup
from numpy.typing import NDArray

from benchmarks.clock import about
from benchmarks.page import command_line, made_by, publish, record
from benchmarks.retrieval.measure import compared, gains
from benchmarks.retrieval.systems import Places, bm25, headings
from docgraph import Document, parse_html
from encoders import Embedder
from training.output.markdown import table

FOLDS: Final = 3
STRENGTHS: Final = (10.0, 100.0, 1000.0, 10_000.0)
WEIGHTS: Final = (0.0, 0.25, 0.5, 1.0)
CAPTION: Final = re.compile(r"<figcaption>.*?</figcaption>", re.S)
ALT: Final = re.compile(r'(<img [^>]*?)alt="[^"]*"')
WAYS: Final = ("BM25", "MiniLM", "docgraph", "BM25 + docgraph", "BM25 + docgraph + pixels", "pixels")
Floats = NDArray[np.float32]


class Around(Places):
    """Places whose words are those of the passages that hold them."""

    embedder: Embedder

    def texts(self) -> list[str]:
        pages, numbers = self.passages(self.embedder, fill=self.embedder.reader.settings.fill)
        every = [text for page in pages for text in page]
        return [
            "\n".join(
                [self.documents[n].metadata.title or "", *(h.text for h in headings(self.documents[n], row))]
                + [every[one] for one in inside]
            )
            for n, row, inside in zip(self.document, self.row, numbers, strict=True)
        ]


def read(folder: Path, alts: bool) -> tuple[list[Document], list[str], list[tuple[int, int, str, Path]]]:
    """Return the pages without captions, the book of each, and page, row, caption and file of each image."""
    documents, books, pictures = [], [], []
    for file in sorted((folder / "html").rglob("*.html")):
        markup = file.read_text(encoding="utf-8")
        captions = {
            image["src"]: caption.get_text(" ", strip=True)
            for figure in BeautifulSoup(markup, "lxml").find_all("figure")
            if (image := figure.find("img")) and (caption := figure.find("figcaption"))
        }
        plain = CAPTION.sub("", markup)
        document = parse_html(plain if alts else ALT.sub(r'\1alt=""', plain))
        for node in document.images():
            if words := captions.get(str(node.attributes.get("src"))):
                path = (file.parent / str(node.attributes["src"])).resolve()
                pictures.append((len(documents), node.row, words, path))
        documents.append(document)
        books.append(file.parent.name)
    return documents, books, pictures


def pixels(files: Sequence[Path]) -> Floats:
    """Return (n, 1280) what EfficientNet-Lite0 says of each image, standardised."""
    import timm
    from PIL import Image

    from training.learning.pretrained import LITE0, image_weights

    model = timm.create_model(LITE0, num_classes=0).eval()
    model.load_state_dict(image_weights("lite0", LITE0), strict=False)  # without the classifier
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    found = []
    with torch.inference_mode():
        for first in range(0, len(files), 16):
            some = [transform(Image.open(file).convert("RGB")) for file in files[first : first + 16]]
            found.append(model(torch.stack(some)).numpy())
    every = np.concatenate(found)
    return np.asarray((every - every.mean(0)) / (every.std(0) + 1e-6), np.float32)


def ridge(inputs: Floats, targets: Floats, strength: float) -> Floats:
    """Return (1281, D) the regression, the last row its constant."""
    x = np.concatenate([inputs, np.ones((len(inputs), 1), np.float32)], axis=1).astype(np.float64)
    penalty = np.full(x.shape[1], strength)
    penalty[-1] = 0
    return np.asarray(np.linalg.solve(x.T @ x + np.diag(penalty), x.T @ targets), np.float32)


def seen(inputs: Floats, made: Floats, captions: Floats) -> Floats:
    """Return (q, n) cosines of captions and what a regression makes of pixels."""
    found = inputs @ made[:-1] + made[-1]
    return np.asarray(captions @ (found / np.linalg.norm(found, axis=1, keepdims=True)).T, np.float32)


def standard(scores: Floats) -> Floats:
    """Return each query's scores with mean 0 and deviation 1."""
    middle = scores - scores.mean(axis=1, keepdims=True)
    return np.asarray(middle / (middle.std(axis=1, keepdims=True) + 1e-9), np.float32)


def first(scores: Floats, page: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """Return (q,) nDCG@10 and R@1 of image n for caption n, among all or those of its page."""
    if page is not None:
        scores = np.where(page[:, None] == page[None], scores, -np.inf)
    found = gains(scores, [{n: 1.0} for n in range(len(scores))])
    return np.stack([found["r1"], found["ndcg"]], axis=1)


def chosen(words: Floats, inputs: Floats, captions: Floats, book: NDArray[np.str_]) -> tuple[float, float]:
    """Return strength and weight that find most where a part of the books is left out of the regression."""
    names, total = np.unique(book), {}
    for part in range(FOLDS):
        out = np.isin(book, names[part::FOLDS])
        for strength in STRENGTHS:
            looks = standard(seen(inputs[out], ridge(inputs[~out], captions[~out], strength), captions[out]))
            for weight in WEIGHTS:
                mixed = standard(words[np.ix_(out, out)]) + weight * looks
                total[strength, weight] = total.get((strength, weight), 0) + first(mixed)[:, 1].sum()
    return max(total, key=lambda one: total[one])


def measure(folder: Path, alts: bool, embedder: Embedder, inputs: Floats | None) -> tuple[dict[str, Any], Floats]:
    """Return per way (q, 4) R@1 and nDCG@10 in the corpus and of the page, and what pixels say."""
    documents, books, pictures = read(folder, alts)
    page, rows, words, files = zip(*pictures, strict=True)
    inputs = pixels(files) if inputs is None else inputs
    book, pages = np.asarray([books[n] for n in page]), np.asarray(page)
    captions = embedder.encode_query(list(words))
    places = Around(documents, page, rows, "image")
    places.embedder = embedder
    around = places.texts()
    nodes = embedder.encode(documents, "image", boilerplate=True)
    where = {
        (int(n), int(row)): place for place, (n, row) in enumerate(zip(nodes.document_id, nodes.node_row, strict=True))
    }
    vectors = nodes.vectors[[where[n, row] for n, row in zip(page, rows, strict=True)]]
    scores = {
        "BM25": bm25(places, words),
        "MiniLM": captions @ embedder.reader.encoder.encode(around).T,
        "docgraph": captions @ vectors.T,
    }
    scores["BM25 + docgraph"] = standard(scores["BM25"]) + standard(scores["docgraph"])
    found: dict[str, list[Any]] = {way: [] for way in WAYS}
    for part in range(FOLDS):
        out = np.isin(book, np.unique(book)[part::FOLDS])
        best = scores["BM25 + docgraph"]
        strength, weight = chosen(best[np.ix_(~out, ~out)], inputs[~out], captions[~out], book[~out])
        looks = seen(inputs[out], ridge(inputs[~out], captions[~out], strength), captions[out])
        print(f"books {np.unique(book)[part::FOLDS].tolist()}: strength {strength}, weight {weight}", flush=True)
        each = {way: one[np.ix_(out, out)] for way, one in scores.items()} | {"pixels": looks}
        each["BM25 + docgraph + pixels"] = standard(each["BM25 + docgraph"]) + weight * standard(looks)
        for way in WAYS:
            found[way].append(np.concatenate([first(each[way]), first(each[way], pages[out])], axis=1))
    return {way: np.concatenate(one) for way, one in found.items()}, inputs


def said(difference: Mapping[str, float]) -> str:
    return "{value:+.3f} ({low:+.3f} to {high:+.3f})".format(**difference)


def main() -> None:
    parser = command_line(__doc__ or "")
    parser.add_argument("--cache", type=Path, help="keeps vectors of texts")
    asked = parser.parse_args()
    embedder, inputs = Embedder.from_pretrained(cache=asked.cache), None
    results: dict[str, Any] = {"about": about()}
    text = f"# Pictures by their captions\n\n{(__doc__ or '').split(chr(10), 4)[4].strip()}\n"
    for name, alts in (("with alternative texts", True), ("without alternative texts", False)):
        found, inputs = measure(asked.data / "html_images" / "openstax", alts, embedder, inputs)
        best = max(WAYS[:-2], key=lambda way: found[way][:, 0].mean())
        rows = {
            way: {"r1": one[:, 0].mean(), "ndcg": one[:, 1].mean(), "page_r1": one[:, 2].mean()}
            | {"beside": "" if way == best else said(compared(one[:, 0], found[best][:, 0]))}
            for way, one in found.items()
        }
        results[name] = {"captions": len(found[best]), "best": best, "rows": rows}
        text += f"\n## {len(found[best]):,} pictures {name}\n\n"
        text += table(
            ["way", "R@1 in the corpus", "nDCG@10", "R@1 in the page", f"R@1 beside {best}"],
            [
                [way, *(f"{one[of]:.3f}" for of in ("r1", "ndcg", "page_r1")), one["beside"]]
                for way, one in rows.items()
            ],
        )
        text += "\n"
    text += f"\n{made_by(results['about'])}\n"
    record("pictures", results, asked.results)
    publish("pictures", text, asked.results)


if __name__ == "__main__":
    main()
