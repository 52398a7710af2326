"""Engines that are in no extra take ParsePages and EmbedNodes unchanged: Spark's mapInArrow, Daft, datasets.map.

Each is tested where it is installed: `pip install pyspark daft datasets`, and Java for Spark.
"""

import os
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest

from docgraph import ParsePages

pyarrow = pytest.importorskip("pyarrow", reason="needs the extra parquet")
PAGES = {
    "id": [f"{number:02d}" for number in range(20)],
    "html": [None if number == 7 else f"<title>T</title><h1>H {number}</h1><p>Text, é.</p>" for number in range(20)],
}


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    """How the pages are embedded, and the rows as they are without an engine."""
    pytest.importorskip("sentence_transformers", reason="needs the extra embed")
    from encoders import EmbedNodes
    from tests.tiny_encoders import save_bert

    job = EmbedNodes(save_bert(tmp_path_factory.mktemp("bert")), ["document", "paragraph"])
    return job, job(pyarrow.table(PAGES))


@pytest.fixture(scope="module")
def spark():
    os.environ["PYSPARK_PYTHON"] = sys.executable
    sql = pytest.importorskip("pyspark.sql", reason="needs pyspark")
    if shutil.which("java") is None:
        pytest.skip("needs Java")
    session = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


def assert_same(made, wanted) -> None:
    """The rows are the same, in whatever order; vectors to 1e-5."""
    rows = [sorted(table.to_pylist(), key=lambda row: row["id"]) for table in (made, wanted)]
    vectors = [np.array([row.pop("vector", ()) for row in table]) for table in rows]
    assert rows[0] == rows[1]
    np.testing.assert_allclose(*vectors, atol=1e-5)


def test_spark_maps_pages_to_rows_and_rows_to_vectors(spark, nodes):
    from pyspark.sql.pandas.types import from_arrow_schema

    job, wanted = nodes
    job = replace(job, fixed_size=False)
    pages = spark.createDataFrame(pyarrow.table(PAGES)).repartition(3)
    rows = pages.mapInArrow(ParsePages(), from_arrow_schema(ParsePages().schema))
    assert_same(rows.toArrow(), ParsePages()(pyarrow.table(PAGES)))
    made = rows.mapInArrow(job, from_arrow_schema(job.schema)).toArrow()
    assert_same(made, wanted)


def test_daft_streams_pages_through_both(nodes):
    daft = pytest.importorskip("daft", reason="needs daft")
    job, wanted = nodes
    pages = daft.from_pydict(PAGES).into_batches(8).to_arrow_iter()
    assert_same(pyarrow.Table.from_batches(job(ParsePages()(pages))), wanted)


def test_daft_calls_it_on_columns():
    daft = pytest.importorskip("daft", reason="needs daft")
    parse = ParsePages()
    type_ = daft.DataType.from_arrow_type(pyarrow.struct(list(parse.schema)))

    @daft.func.batch(return_dtype=type_, unnest=True, batch_size=8)
    def rows(id: "daft.Series", html: "daft.Series"):
        return parse(pyarrow.table({"id": id.to_arrow(), "html": html.to_arrow()})).to_struct_array().combine_chunks()

    pages = daft.from_pydict(PAGES)
    made = pages.select(rows(pages["id"], pages["html"])).to_arrow()
    assert_same(made.cast(parse.schema), parse(pyarrow.table(PAGES)))


def test_datasets_maps_pages_to_rows_and_rows_to_vectors(nodes):
    datasets = pytest.importorskip("datasets", reason="needs datasets")
    job, wanted = nodes
    rows = datasets.Dataset.from_dict(PAGES).map(ParsePages(), batched=True, batch_size=8)
    assert rows["text"][:] == ParsePages()(PAGES)["text"]
    made = rows.map(job, batched=True, batch_size=8, remove_columns=rows.column_names)
    assert_same(made.with_format("arrow")[:].select(wanted.column_names).cast(wanted.schema), wanted)
