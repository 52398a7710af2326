"""Chunks of many documents, in one file: a JSON object a line, or a row of a parquet file. No torch.

Columns: id, document_id, parent_id, children_ids, level, kind, headings, start, end (characters), dom_path, text,
contextualized, tokens, rows, images. Sorted by document, then as they stand in it.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from docgraph.chunks import Chunk
from docgraph.errors import DataError, DocgraphError, needs_extra
from training.inputs import Input, SetAside

BATCH = 10_000
"""Rows of a parquet file that are written at once."""


def write_chunks(
    inputs: Sequence[Input], output: Path, errors: SetAside, *, count: Any = None, **settings: Any
) -> tuple[int, int]:
    """Write the chunks of all inputs; return the numbers of documents and chunks.

    The file is there whole or not at all. An input that cannot be read is set aside in `errors`.

    Args:
        output: its suffix says the format: .jsonl or .parquet.
        count, settings: as `Document.chunks` takes them.

    Raises:
        DataError: another suffix.
        DocumentError: settings out of range.
        MissingExtraError: a parquet file, and pyarrow is not installed.
    """
    writers = {".jsonl": _json_lines, ".parquet": _parquet}
    if output.suffix.lower() not in writers:
        raise DataError(f"chunks are written to a .jsonl or .parquet file, but the output is {output}.")
    output.parent.mkdir(parents=True, exist_ok=True)
    beside = output.with_name(output.name + ".tmp")
    counts: Counter[str] = Counter()

    def chunked() -> Iterator[Sequence[Chunk]]:
        for one in inputs:
            try:
                document = one.document()
            except DocgraphError as error:
                errors.add(one.id, error)
                continue
            chunks = document.chunks(count=count, document_id=one.id, **settings)
            counts.update(documents=1, chunks=len(chunks))
            yield chunks

    writers[output.suffix.lower()](beside, chunked())
    if counts["documents"]:
        beside.replace(output)
    else:
        beside.unlink()
    return counts["documents"], counts["chunks"]


def flat(chunk: Chunk) -> dict[str, Any]:
    """Return a chunk as columns: JSON values, its span as two numbers."""
    values = chunk.to_dict()
    values["start"], values["end"] = values.pop("span")
    return values


def _json_lines(path: Path, documents: Iterable[Sequence[Chunk]]) -> None:
    with path.open("w", encoding="utf-8", errors="replace") as file:
        for chunks in documents:
            file.writelines(json.dumps(flat(chunk), ensure_ascii=False) + "\n" for chunk in chunks)


def _parquet(path: Path, documents: Iterable[Sequence[Chunk]]) -> None:
    with needs_extra("writing parquet"):
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    text, texts, number = arrow.string(), arrow.list_(arrow.string()), arrow.int64()
    image = arrow.struct([("row", number), ("src", text), ("alt", text), ("caption", text)])
    schema = arrow.schema(
        [
            *((name, text) for name in ("id", "document_id", "parent_id")),
            ("children_ids", texts),
            *((name, text) for name in ("level", "kind")),
            ("headings", texts),
            *((name, number) for name in ("start", "end")),
            *((name, text) for name in ("dom_path", "text", "contextualized")),
            ("tokens", number),
            ("rows", arrow.list_(number)),
            ("images", arrow.list_(image)),
        ]
    )
    waiting: list[dict[str, Any]] = []
    with parquet.ParquetWriter(path, schema) as file:
        for chunks in documents:
            waiting.extend(map(flat, chunks))
            if len(waiting) >= BATCH:
                file.write_table(arrow.Table.from_pylist(waiting, schema=schema))
                waiting.clear()
        if waiting:
            file.write_table(arrow.Table.from_pylist(waiting, schema=schema))
