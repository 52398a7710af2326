"""Documents to tensors: the part of a model that is saved with it but has no weights.

    Document --encode--> EncodedDocument --collate--> DocumentBatch

`encode` keeps the document nodes that have leaves under them, cuts text blocks into sub-words, ties every sub-word
to its sentence, heading or cell by its characters, and lays out a GRID of patches for every image. What may be
a feature is decided here and nowhere else: node text and images are; attributes, metadata and URLs are not.

Sub-words come from a vocabulary trained on the user's documents (byte-level BPE, no unknown words) or from the
tokenizer of a local transformers model.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from docgraph import Document, Domain
from docgraph.errors import ModelError
from docgraph.images import ImageReference
from docgraph.main_text import text_blocks
from encoders.cache import FeatureCache
from encoders.inputs.collate import collate
from encoders.inputs.encoded import DOMAIN_CODE, DocumentBatch, EncodedDocument, ImageLeaf, Ints
from encoders.inputs.graph_features import laplacian_features
from encoders.inputs.images import ImageSettings
from encoders.inputs.vocabulary import special_token_ids, train_tokenizer

CONFIG_NAME: Final = "processor_config.json"
TOKENIZER_NAME: Final = "tokenizer.json"


@dataclass(frozen=True, kw_only=True)
class ProcessorSettings:
    """What of a document becomes a leaf. Saved as processor_config.json."""

    text_leaves: str = "token"
    """"token": every sub-word; "node": every sentence, heading, cell; "none": no text."""
    fields: tuple[str, ...] | None = None
    """Field names of KEYED roots (articles) to keep; None keeps all."""
    readout_node: str | None = None
    """Field name or kind of the subtree whose vector stands for the document (the first one); None for the root."""
    main_only: bool = False
    """Leave out nodes whose role is given and is not "main"."""
    max_tokens: int | None = None
    """Sub-words kept of one document, from its start; what is left out is counted. None keeps all."""
    graph_features: int = 8
    prefix_ids: tuple[int, ...] = ()
    """Special sub-words before each window of a pre-trained encoder."""
    suffix_ids: tuple[int, ...] = ()
    image: ImageSettings | None = None
    """How images are prepared; None leaves images out."""


class DocumentProcessor:
    """Turns documents into batches; saved beside a model's weights.

    Args:
        tokenizer: a `tokenizers.Tokenizer`, or None if text is left out.
        settings: see `ProcessorSettings`.
    """

    def __init__(self, tokenizer: Tokenizer | None, settings: ProcessorSettings | None = None) -> None:
        self.settings = settings or ProcessorSettings()
        self.tokenizer = tokenizer
        if tokenizer is None and self.settings.text_leaves != "none":
            raise ModelError('a processor must have a tokenizer unless text_leaves="none", but has none.')
        if tokenizer is not None:
            tokenizer.no_truncation()
            tokenizer.no_padding()
        self.images: FeatureCache | None = None
        """Where prepared images are kept, as bytes at the model's size; None decodes an image whenever it is read."""

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[Document],
        settings: ProcessorSettings | None = None,
        *,
        vocab_size: int = 16_000,
    ) -> "DocumentProcessor":
        """Train a sub-word vocabulary on the text of some documents and return a processor with it."""
        return cls(train_tokenizer((document.text for document in documents), vocab_size), settings)

    @classmethod
    def from_text_encoder(cls, folder: str | Path, settings: ProcessorSettings | None = None) -> "DocumentProcessor":
        """Return a processor with the tokenizer of a transformers model (a local folder first, else a hub name)."""
        from transformers import AutoTokenizer

        try:
            fast: Any = AutoTokenizer.from_pretrained(str(folder))
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelError(
                f"the text encoder must be the folder of a transformers model, or its name on the hub, but {folder}: {reason}"
            ) from error
        if getattr(fast, "backend_tokenizer", None) is None:
            raise ModelError(f"the text encoder must have a fast tokenizer (tokenizer.json), but {folder} has none.")
        prefix, suffix = special_token_ids(fast)
        settings = settings or ProcessorSettings()
        values = {**settings.__dict__, "prefix_ids": prefix, "suffix_ids": suffix}
        return cls(Tokenizer.from_str(fast.backend_tokenizer.to_str()), ProcessorSettings(**values))

    # -- save and load -------------------------------------------------------------------------------------

    def save_pretrained(self, folder: str | Path, **_: Any) -> None:
        """Write processor_config.json and tokenizer.json into `folder`."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        values = {"processor_class": type(self).__name__, **asdict(self.settings)}
        Path(folder, CONFIG_NAME).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        if self.tokenizer is not None:
            self.tokenizer.save(str(Path(folder, TOKENIZER_NAME)))

    @classmethod
    def from_pretrained(cls, folder: str | Path, **_: Any) -> "DocumentProcessor":
        """Return the processor that `save_pretrained` wrote into a local folder.

        Raises:
            ModelError: the folder has no processor.
        """
        path = Path(folder, CONFIG_NAME)
        if not path.is_file():
            raise ModelError(f"a processor's folder must hold {CONFIG_NAME}, but {folder} does not.")
        values = json.loads(path.read_text(encoding="utf-8"))
        values.pop("processor_class", None)
        for name in ("fields", "prefix_ids", "suffix_ids"):
            values[name] = None if values[name] is None else tuple(values[name])
        values["image"] = None if values["image"] is None else ImageSettings(**values["image"])
        words = Path(folder, TOKENIZER_NAME)
        return cls(Tokenizer.from_file(str(words)) if words.is_file() else None, ProcessorSettings(**values))

    @property
    def vocab_size(self) -> int:
        """Number of sub-words, 0 without a tokenizer."""
        return 0 if self.tokenizer is None else int(self.tokenizer.get_vocab_size())

    # -- documents in, tensors out -------------------------------------------------------------------------

    def __call__(self, documents: Document | Sequence[Document]) -> DocumentBatch:
        """Return the batch of some documents."""
        if isinstance(documents, Document):
            documents = [documents]
        return self.collate([self.encode(document) for document in documents])

    def collate(self, encoded: Sequence[EncodedDocument]) -> DocumentBatch:
        """Return the batch of some encoded documents; images are read here."""
        return collate(encoded, self._prepare_image)

    def _prepare_image(self, reference: ImageReference) -> Tensor:
        """Return an image's normalised pixels: the same numbers with `images` and without."""
        settings = self.settings.image
        assert settings is not None, "a document without image leaves has no images to prepare"
        if self.images is None:
            return _normalised(settings, settings.resize()(reference.open("RGB")))
        shape = (3, settings.height, settings.width)
        scope = f"{settings.height} x {settings.width} {settings.interpolation}"
        digest = hashlib.blake2b(reference.bytes(), digest_size=16).digest()
        known = self.images.get(scope, [digest])[0]
        if known is None:
            known = settings.resize()(reference.open("RGB")).numpy().reshape(-1, settings.width)
            self.images.put(scope, {digest: known})
        return _normalised(settings, torch.tensor(known).reshape(shape))

    def encode(self, document: Document) -> EncodedDocument:
        """Return one document as arrays; no image is opened."""
        wanted = self._wanted(document)
        tokens = self._tokens(document, wanted)
        images = [
            row
            for row, kind in enumerate(document.kind)
            if kind == "image"
            and wanted[row]
            and self.settings.image is not None
            and document[row].attributes.get("src")
        ]
        return _layout(document, tokens, images, self)

    def _wanted(self, document: Document) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """(nodes,) which nodes may be features at all."""
        wanted = np.ones(len(document), dtype=bool)
        if self.settings.main_only:
            wanted &= np.array([role in (None, "main") for role in document.effective_roles])
        if self.settings.fields is not None and document.domain[0] is Domain.KEYED:
            for row in document.child_rows(0):
                if document.keys[document.position[row, 0]] not in self.settings.fields:
                    wanted[row : document.subtree_end[row]] = False
        return wanted

    def _tokens(self, document: Document, wanted: np.ndarray[Any, np.dtype[np.bool_]]) -> "_Tokens":
        """Cut the document's text blocks into sub-words and tie each to its text leaf."""
        if self.tokenizer is None or self.settings.text_leaves == "none":
            return _Tokens.none()
        blocks = [row for row in text_blocks(document) if wanted[row]]
        starts = document.span[:, 0]
        encodings = self.tokenizer.encode_batch(
            [document.text[start:end] for start, end in document.span[blocks].tolist()],
            add_special_tokens=False,
        )
        ids = [np.asarray(encoding.ids, dtype=np.int64) for encoding in encodings]
        places = [
            np.asarray(encoding.offsets, dtype=np.int64).reshape(-1, 2)[:, 1] - 1 + starts[row]
            for encoding, row in zip(encodings, blocks, strict=True)
        ]
        # A byte-level sub-word may begin with the space before its sentence: its last character tells where it belongs.
        token_id = np.concatenate(ids) if ids else np.zeros(0, np.int64)
        place = np.concatenate(places) if places else np.zeros(0, np.int64)
        leaves = np.array([row for row in _text_leaves(document) if wanted[row]], dtype=np.int64)
        unit_start = np.concatenate([[0], np.cumsum([len(i) for i in ids], dtype=np.int64)]).astype(np.int64)
        cut, limit = 0, self.settings.max_tokens
        if limit is not None and len(token_id) > limit:
            cut = len(token_id) - limit
            token_id, place, unit_start = token_id[:limit], place[:limit], np.minimum(unit_start, limit)
        owner = (
            leaves[np.maximum(np.searchsorted(starts[leaves], place, side="right") - 1, 0)]
            if len(leaves)
            else place[:0]
        )
        return _Tokens(token_id, owner, np.unique(unit_start), cut)


def _normalised(settings: ImageSettings, pixels: Tensor) -> Tensor:
    """(3, H, W) bytes -> float32."""
    normalised: Tensor = settings.normalise()(pixels)
    return normalised.as_subclass(Tensor)


@dataclass(frozen=True)
class _Tokens:
    """Sub-words of one document before they have rows."""

    token_id: Ints
    node: Ints
    """(T,) document row of the text leaf each belongs to, ascending."""
    unit_start: Ints
    cut: int

    @classmethod
    def none(cls) -> "_Tokens":
        empty = np.zeros(0, np.int64)
        return cls(empty, empty, np.zeros(1, np.int64), 0)


def _text_leaves(document: Document) -> list[int]:
    """Return the rows of text leaves, in order of their text."""
    rows = np.flatnonzero((document.child_count == 0) & (document.span[:, 0] < document.span[:, 1]))
    return sorted(rows.tolist(), key=lambda row: int(document.span[row, 0]))


def _layout(
    document: Document, tokens: _Tokens, images: Sequence[int], processor: DocumentProcessor
) -> EncodedDocument:
    """Give every kept node, sub-word and patch a row."""
    settings = processor.settings
    kept = _kept_rows(document, np.concatenate([tokens.node, np.asarray(images, dtype=np.int64)]))
    local = np.full(len(document), -1, dtype=np.int64)
    local[kept] = np.arange(len(kept))
    above = document.parent[kept].astype(np.int64)
    parent = np.where(above < 0, -1, local[above])
    domain = np.array([DOMAIN_CODE[document.domain[a]] if a >= 0 else 0 for a in above.tolist()], dtype=np.uint8)
    position = document.position[kept].astype(np.int64)
    position[domain == DOMAIN_CODE[Domain.SET]] = 0
    is_leaf = np.zeros(len(kept), dtype=bool)
    token_row = local[tokens.node]
    parts = [(parent, domain, position, is_leaf, kept)]
    if settings.text_leaves == "token":
        first = np.flatnonzero(np.diff(tokens.node, prepend=-1))
        ordinal = np.arange(len(tokens.node)) - np.repeat(first, np.diff(np.append(first, len(tokens.node))))
        parts.append(
            _leaf_rows(token_row, Domain.SEQUENCE, np.stack([ordinal, np.zeros_like(ordinal)], 1), tokens.node)
        )
        token_row = len(kept) + np.arange(len(tokens.node))
    else:
        is_leaf[token_row] = True
    rows = sum(len(part[0]) for part in parts)
    image_leaves = []
    grid = (1, 1) if settings.image is None else settings.image.leaf_grid
    cells = np.stack(np.divmod(np.arange(grid[0] * grid[1]), grid[1]), 1)
    for row in images:
        image_leaves.append(ImageLeaf(document[row].image, rows, row))
        parts.append(_leaf_rows(np.full(len(cells), local[row]), Domain.GRID, cells, np.full(len(cells), row)))
        rows += len(cells)
    graph = _graph_features(document, kept, domain, position, settings.graph_features)
    used = sorted({int(k) for k in position[domain == DOMAIN_CODE[Domain.KEYED], 0]})
    position[domain == DOMAIN_CODE[Domain.KEYED], 0] = np.searchsorted(
        np.asarray(used), position[domain == DOMAIN_CODE[Domain.KEYED], 0]
    )
    keys = tuple(document.keys[k] for k in used)
    digests = _unit_digests(tokens, settings)
    return EncodedDocument(
        parent=np.concatenate([part[0] for part in parts]),
        domain=np.concatenate([part[1] for part in parts]),
        position=np.concatenate([part[2] for part in parts]),
        is_leaf=np.concatenate([part[3] for part in parts]),
        node_row=np.concatenate([part[4] for part in parts]),
        keys=keys,
        key_token_id=tuple(_key_ids(key, processor.tokenizer) for key in keys),
        graph=graph,
        token_id=tokens.token_id,
        token_row=token_row,
        unit_start=tokens.unit_start,
        unit_digest=digests,
        images=tuple(image_leaves),
        patches=len(cells),
        seed=int.from_bytes(
            hashlib.blake2b(document.text.encode("utf-8", "replace"), digest_size=4).digest(), "little"
        ),
        readout_row=_readout_row(document, kept, settings.readout_node),
        cut_tokens=tokens.cut,
    )


def _readout_row(document: Document, kept: Ints, name: str | None) -> int:
    """Return the first kept row whose field name or kind is `name`, else the root."""
    for local, row in enumerate(kept.tolist() if name is not None else []):
        if name in (document.kind[row], document[row].key):
            return local
    return 0


def _kept_rows(document: Document, leaf_nodes: Ints) -> Ints:
    """Return the rows of the root and of every node that has one of `leaf_nodes` at or under it, in order."""
    keep = np.zeros(len(document), dtype=bool)
    keep[0] = True
    keep[leaf_nodes] = True
    parent = document.parent.tolist()
    for row in range(len(document) - 1, 0, -1):
        if keep[row]:
            keep[parent[row]] = True
    return np.flatnonzero(keep)


def _leaf_rows(parent: Ints, domain: Domain, position: Ints, node: Ints) -> tuple[Any, ...]:
    """Return the columns of leaf rows that share one domain."""
    size = len(parent)
    return parent, np.full(size, DOMAIN_CODE[domain], np.uint8), position, np.ones(size, bool), node


def _graph_features(
    document: Document, kept: Ints, domain: Any, position: Ints, size: int
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return features of all children of GRAPH nodes, and point their positions at them."""
    rows = np.flatnonzero(domain == DOMAIN_CODE[Domain.GRAPH])
    features = np.zeros((len(rows), size + 2), dtype=np.float32)
    owner = document.parent[kept[rows]]
    for node in np.unique(owner).tolist():
        here = np.flatnonzero(owner == node)
        edges = document.edges.get(node, np.zeros((2, 0), np.int32))
        table = laplacian_features(int(document.child_count[node]), edges, size)
        features[here] = table[position[rows[here], 0]]
    position[rows, 0] = np.arange(len(rows))
    return features


def _key_ids(key: str, tokenizer: Tokenizer | None) -> tuple[int, ...]:
    """Return the sub-words of a field name (its bytes where there is no tokenizer)."""
    words = key.replace("_", " ").replace("-", " ")
    ids = tuple(tokenizer.encode(words, add_special_tokens=False).ids) if tokenizer is not None else ()
    return ids or tuple(key.encode("utf-8"))


def _unit_digests(tokens: _Tokens, settings: ProcessorSettings) -> tuple[bytes, ...]:
    """Return a content hash of each unit: its sub-words, and where its leaves begin if they are pooled."""
    pooled = settings.text_leaves == "node"
    digests = []
    for start, end in zip(tokens.unit_start[:-1].tolist(), tokens.unit_start[1:].tolist(), strict=True):
        content = hashlib.blake2b(tokens.token_id[start:end].tobytes(), digest_size=16)
        if pooled:
            content.update(np.diff(tokens.node[start:end]).astype(bool).tobytes())
        digests.append(content.digest())
    return tuple(digests)
