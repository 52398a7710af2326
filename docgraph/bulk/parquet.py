"""Documents as parquet: parts that are whole as soon as they have their name, joined into one file at the end.

    docs.parquet.parts/part-00000.parquet ...  ──finish──>  docs.parquet

Rows hold what one filters by (id, title, url, date, language, texts, counts) and the document as JSON.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from docgraph.bulk.rows import Row, schema
from docgraph.errors import DataError, needs_extra

_PART_ROWS: Final = 1_000
_PART_BYTES: Final = 128_000_000


def pyarrow_parquet() -> Any:
    """Return the module `pyarrow.parquet`."""
    with needs_extra("a parquet file"):
        import pyarrow.parquet
    return pyarrow.parquet


class Parquet:
    """Parts beside the output, joined at the end."""

    def __init__(self, path: Path) -> None:
        self._parquet = pyarrow_parquet()
        self._path = path
        self._folder = path.with_name(path.name + ".parts")
        if (self._folder / "_manifest.json").is_file():
            raise DataError(f"{self._folder} was begun by an engine; go on with it, or delete the folder.")
        self._folder.mkdir(exist_ok=True)
        if path.exists():
            self._check_ours()
            for left in self._parts():
                left.unlink()  # a run was killed after it had joined them
            # A finished file that more is added to is the first part.
            os.replace(path, self._folder / "part-00000.parquet")
        for torn in self._folder.glob("*.tmp"):
            torn.unlink()
        self.ids = {name for part in self._parts() for name in self._column(part, "id")}
        self._rows: list[Row] = []
        self._bytes = 0

    def write(self, row: Row) -> None:
        self._rows.append(row)
        self._bytes += len(row.document) + 2 * len(row.text)
        if len(self._rows) >= _PART_ROWS or self._bytes >= _PART_BYTES:
            self._write_part()

    def close(self) -> None:
        self._write_part()

    def finish(self) -> None:
        """Join the parts into one file; the last rename is what makes it the output."""
        unfinished = self._path.with_name(self._path.name + ".tmp")
        with self._parquet.ParquetWriter(unfinished, schema(), compression="zstd") as writer:
            for part in self._parts():
                for group in self._groups(part):
                    writer.write_table(group)
        os.replace(unfinished, self._path)
        for part in self._parts():
            part.unlink()
        self._folder.rmdir()

    def _check_ours(self) -> None:
        import pyarrow

        try:
            names = self._parquet.read_schema(self._path).names
        except pyarrow.ArrowException as error:
            raise DataError(f"{self._path} must be a parquet file, but {error}.") from error
        if names != list(Row._fields):
            raise DataError(f"{self._path} must be what parse_many wrote, but has the columns {names[:8]}.")

    def _parts(self) -> list[Path]:
        return sorted(self._folder.glob("part-*.parquet"))

    def _groups(self, part: Path) -> Iterator[Any]:
        file = self._parquet.ParquetFile(part)
        return (file.read_row_group(group) for group in range(file.num_row_groups))

    def _column(self, part: Path, name: str) -> Iterable[str]:
        return self._parquet.read_table(part, columns=[name])[name].to_pylist()  # type: ignore[no-any-return]

    def _write_part(self) -> None:
        if not self._rows:
            return
        import pyarrow

        table = pyarrow.Table.from_pylist([row._asdict() for row in self._rows], schema=schema())
        number = int(self._parts()[-1].stem.split("-")[1]) + 1 if self._parts() else 0
        unfinished = self._folder / f"part-{number:05d}.parquet.tmp"
        self._parquet.write_table(table, unfinished, compression="zstd", row_group_size=256)
        os.replace(unfinished, unfinished.with_suffix(""))
        self._rows, self._bytes = [], 0
