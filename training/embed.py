"""Embed documents and their nodes to a parquet file.

    inputs ──shard by shard──> documents ──model.encode──> rows of the wanted levels ──> vectors.parquet

A level is "document" (one vector each), a kind of node ("section", "paragraph", "image", ...), "node" (every node) or
"leaf" (every token and patch). A job that was cut off goes on at the first shard that is not done; inputs that
cannot be read are named in errors.jsonl and do not stop the others.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from docgraph import Document
from docgraph.errors import DataError, DocgraphError
from encoders.cache import fingerprint
from encoders.embed import Embeddings
from encoders.model_base import DocumentPreTrainedModel
from training.inputs import ERRORS, Errors, Input
from training.shards import INPUTS_PER_SHARD, Rows, VectorShards, join_rows, snippet

DOCUMENT, NODE, LEAF = "document", "node", "leaf"


def embed(
    model: DocumentPreTrainedModel,
    inputs: Sequence[Input],
    output: str | Path,
    *,
    levels: Sequence[str] = (DOCUMENT,),
    normalize: bool = True,
    per_shard: int = INPUTS_PER_SHARD,
    console: Console | None = None,
) -> tuple[int, Errors]:
    """Write the vectors of all inputs; return the number of rows and what was set aside.

    Args:
        levels: which nodes get a row; see the module.
        normalize: scale vectors to length 1, so that their dot product is the cosine.

    Raises:
        DataError: "leaf" together with other levels, no input could be read, or another job's parts are in the way.
    """
    if LEAF in levels and len(levels) > 1:
        raise DataError(f"the level {LEAF} must stand alone, but was given with {', '.join(levels)}.")
    if not inputs:
        raise DataError("embedding needs at least one input, but there is none.")
    target = Path(output)
    target.parent.mkdir(parents=True, exist_ok=True)
    processor = model.needs_processor(None)
    words = "" if processor.tokenizer is None else processor.tokenizer.to_str()
    shards = VectorShards(
        target,
        fingerprint=fingerprint(
            model, (model.config.to_json_string(), processor.settings, words, tuple(levels), normalize)
        ),
        inputs=[one.id for one in inputs],
        width=model.config.hidden_size,
        per_shard=per_shard,
    )
    errors = Errors(target.with_name(ERRORS))
    pending = set(shards.pending())
    with Progress(console=console or Console(stderr=True), transient=True) as progress:
        task = progress.add_task("embedding", total=len(inputs))
        for shard in range(shards.count):
            some = [inputs[place] for place in shards.places(shard)]
            if shard in pending:
                before = len(errors.found)
                rows = _rows(model, some, levels, normalize, errors)
                shards.write(shard, rows, errors.found[before:])
            progress.advance(task, len(some))
    errors.found = shards.errors()
    errors.write()
    if len(errors.found) == len(inputs):
        raise DataError(f"none of the {len(inputs)} inputs could be read; see {errors.file}.")
    return shards.finish(), errors


def _rows(
    model: DocumentPreTrainedModel,
    inputs: Sequence[Input],
    levels: Sequence[str],
    normalize: bool,
    errors: Errors,
) -> Rows:
    """Read and embed some inputs."""
    documents: list[Document] = []
    names: list[str] = []
    for one in inputs:
        try:
            documents.append(one.document())
            names.append(one.id)
        except DocgraphError as error:
            errors.add(one.id, error)
    output = "leaves" if LEAF in levels else "document" if set(levels) == {DOCUMENT} else "nodes"
    found = model.encode(documents, output, normalize=normalize)
    wanted = _wanted(found, levels)
    place = found.document_id[wanted].tolist()
    row = found.node_row[wanted]
    span = found.span[wanted]
    texts = [
        _text(documents[d], int(r), start, end) for d, r, (start, end) in zip(place, row, span.tolist(), strict=True)
    ]
    rows = Rows(
        document_id=[names[d] for d in place],
        node_row=row,
        kind=found.kind[wanted].tolist(),
        span=span,
        text=texts,
        vectors=found.vectors[wanted],
    )
    return join_rows([rows], model.config.hidden_size)


def _wanted(found: Embeddings, levels: Sequence[str]) -> Any:
    """(n,) which rows belong to one of the levels."""
    if LEAF in levels or NODE in levels:
        return np.ones(len(found), dtype=bool)
    wanted = np.isin(found.kind, [level for level in levels if level != DOCUMENT])
    return wanted | (found.node_row == 0) if DOCUMENT in levels else wanted


def _text(document: Document, row: int, start: int, end: int) -> str:
    """Return what to show of a node: a document's title, an image's alternative text, else how the node begins."""
    if row == 0 and document.metadata.title:
        return snippet(document.metadata.title)
    if start == end:
        return snippet(str(document[row].attributes.get("alt") or ""))
    return snippet(document.text[start:end])
