"""Batches of columns as engines hand them over, and back in the same form.

dict of lists or arrays       datasets.map(batched=True), Ray Data's "numpy"
pyarrow Table, RecordBatch    Ray Data's "pyarrow", Spark's mapInArrow, Daft, DuckDB
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from docgraph.errors import DataError


def columns_of(batch: Any) -> dict[str, list[Any]]:
    """Return the columns of a batch as lists.

    Raises:
        DataError: it is no batch.
    """
    if isinstance(batch, Mapping):
        return {name: column.tolist() if hasattr(column, "tolist") else list(column) for name, column in batch.items()}
    if hasattr(batch, "to_pydict"):
        return batch.to_pydict()  # type: ignore[no-any-return]
    raise DataError(f"a batch must be a dict of columns or an Arrow table, but is a {type(batch).__name__}.")


def like(batch: Any, columns: Mapping[str, Any], schema: Any) -> Any:
    """Return columns in the form of a batch: a pyarrow table of a schema, or a dict of lists or arrays."""
    if not isinstance(batch, Mapping):
        return type(batch).from_pydict(dict(columns), schema=schema())
    if not any(isinstance(column, np.ndarray) for column in batch.values()):
        return dict(columns)
    return {name: column if isinstance(column, np.ndarray) else _array(column) for name, column in columns.items()}


def _array(values: Sequence[Any]) -> Any:
    """Return values of any kind as an array of objects, lists among them as they are."""
    array = np.empty(len(values), object)
    for place, value in enumerate(values):
        array[place] = value
    return array
