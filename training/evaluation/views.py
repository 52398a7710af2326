"""The surest mistakes of an evaluation as pages to look at, with what spoke for the wrong class.

Evaluation, records ─ write_views ─> FOLDER/1.html, 2.html ...   and where each record's page is, for the report
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from encoders.classifier import DocumentForClassification
from training.datasets import Record
from training.evaluation.report import Evaluation

PASSES: Final = 64
"""Of the model over one document."""


def write_views(
    folder: Path, model: DocumentForClassification, records: Sequence[Record], evaluation: Evaluation, most: int
) -> dict[str, str]:
    """Write a view of each of the surest mistakes; return the file's path from the folder's parent by record id."""
    known = {record.id: record for record in records}
    written = {}
    for number, mistake in enumerate(evaluation.mistakes[:most], 1):
        document = known[mistake.id].document()
        evidence = model.explain(document, label=mistake.predicted, passes=PASSES)
        title = f"{mistake.label} taken for {mistake.predicted}: {document.metadata.title or mistake.id}"
        view = document.with_metadata(title=title).view(evidence=evidence)
        written[mistake.id] = f"{folder.name}/{view.save(folder / f'{number}.html').name}"
    return written
