"""The model that docgraph brings: a vector for each piece of a word, added up. No torch; a page in a millisecond.

    text ─ pieces.py ─> rows of the table (V, D), four bits a number ─ sum ─ length 1 ─> (D,)

Each vector has its weight in it, so that "the" hardly counts. It was distilled from MiniLM on texts that may be
published: static.md says which, how, and how good it is. tools/train_static.py makes it.

Axes:  n texts   V pieces   D width
"""

import hashlib
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from docgraph.embedding.embeddings import Vectors, unit
from docgraph.embedding.nodes import NodeSettings
from docgraph.embedding.pieces import WordPiece
from docgraph.embedding.reader import TextReader, questions
from docgraph.errors import ModelError

NAME: Final = "docgraph-static"
"""Of the model, where a model is asked for by name."""
FILE: Final = Path(__file__).with_name("static.npz")


class StaticEncoder:
    """Reads texts by a table of vectors; see `docgraph.embedding.reader.Encoder`.

    Args:
        vocabulary: V pieces of words, [UNK] among them.
        packed: (V, D / 2) uint8, two numbers of 1 to 15 a byte: the first half of a vector in the low bits.
        scale: (V,) float32, what a number less 8 is multiplied by.
    """

    max_tokens = 256
    prompt_tokens = 0
    reads_images = False
    normalizes = True

    def __init__(self, vocabulary: Sequence[str], packed: NDArray[np.uint8], scale: Vectors) -> None:
        self.pieces = WordPiece(vocabulary)
        self.packed, self.scale = packed, scale
        words = "\n".join(vocabulary).encode()
        self.tokenizer_name = hashlib.blake2b(words, digest_size=6).hexdigest()

    @classmethod
    def load(cls, file: Path = FILE) -> "StaticEncoder":
        """Read what tools/train_static.py wrote."""
        with np.load(file) as arrays:
            return cls(arrays["pieces"].tobytes().decode().split("\n"), arrays["vectors"], arrays["scale"])

    @property
    def width(self) -> int:
        """D."""
        return 2 * int(self.packed.shape[1])

    @cached_property
    def fingerprint(self) -> str:
        """A hash of vocabulary and vectors."""
        content = self.tokenizer_name.encode() + self.packed.tobytes() + self.scale.tobytes()
        return hashlib.blake2b(content, digest_size=12).hexdigest()

    def count(self, text: str) -> int:
        """Return the number of a text's pieces."""
        return len(self.pieces.rows(text))

    def encode(self, texts: Sequence[str], prompt: str = "document", *, show_progress_bar: bool = False) -> Vectors:
        """Return (n, D) vectors of length 1; zeros for a text without a piece. Questions are read as documents are."""
        vectors = np.zeros((len(texts), self.width), np.float32)
        for place, text in enumerate(texts):
            if rows := self.pieces.rows(text):
                packed, scale = self.packed.take(rows, axis=0), self.scale.take(rows)
                halves = [scale @ half.astype(np.float32) for half in (packed & 15, packed >> 4)]
                vectors[place] = np.concatenate(halves) - 8 * scale.sum()
        return unit(vectors)

    def encode_images(self, images: Sequence[Any]) -> Vectors:
        """Raise: it reads no images.

        Raises:
            ModelError: always.
        """
        raise ModelError(f"an image needs an image-text model, but {NAME} reads text.")


class StaticEmbedder(TextReader):
    """Documents in, vectors of their nodes out, as `encoders.Embedder` gives them, by the model that docgraph brings.

    with Index.open("pages.index", StaticEmbedder(), create=True) as index:
        index.add(documents)
    """

    name = NAME

    def __init__(self, settings: NodeSettings | None = None, *, normalize: bool | None = None) -> None:
        super().__init__(_loaded(), settings, normalize=normalize)

    @classmethod
    def check(cls, *, context: str = "alone", of: str = "document", cache: object = None) -> None:
        """Raise for options that have no meaning here.

        Raises:
            ModelError: context "late", of "leaves", or a cache.
        """
        given = {'context="late"': context == "late", 'of="leaves"': of == "leaves", "a cache": cache is not None}
        if asked := [name for name, is_given in given.items() if is_given]:
            able = "a classifier" if of == "leaves" else "a text encoder or a classifier"
            raise ModelError(
                f"{' and '.join(asked)} must be asked of {able}, but the model is {NAME}, "
                "which adds up vectors of a table: leave it out, or name another model."
            )

    def encode_query(self, texts: Sequence[str] | str, *, show_progress_bar: bool = False) -> Vectors:
        """Return (n, D) vectors of questions; zeros, with which a search is by words alone, for one that is mostly in
        other letters than Latin: the model read English, and in Chinese its vectors led astray (static.md).
        """
        many = questions(texts)
        vectors = super().encode_query(many, show_progress_bar=show_progress_bar)
        vectors[[not _is_latin(text) for text in many]] = 0
        return vectors


def _is_latin(text: str) -> bool:
    letters = [letter for letter in text if letter.isalpha()]
    return 2 * sum(letter < "\u0250" for letter in letters) >= len(letters)


@cache
def _loaded() -> StaticEncoder:
    return StaticEncoder.load()
