"""Labelled documents from files: readers, and the one shape they all return.

    load(path) ──> Corpus ── "train" ──> DocumentDataset ──[i]──> {"document": Document, "label": 3, "id": "..."}
                     │
                     ├── labels     names, in the order of their numbers: those of the training records
                     └── problems   what was missing, broken or set aside, by name, counted

`n24news.py` reads news records with images, `sentiment.py` IMDB and Elec reviews, `folder.py` folders of pages and
texts, `table.py` tables of every kind (`lines.py` CSV and JSON, `encodings.py` what CSV is written in, `rows.py`
parquet and many files; `columns.py` and `cells.py` say what is read as what, `label_doubts.py` whether labels look
like classes), `nodes.py` labelled parts of pages (`page_nodes.py`: what is read of one), `hub.py` data sets by
name. `load.py` finds the reader, `splitting.py` splits, `dataset.py` is what torch reads, `describe.py` counts,
`image_files.py` judges the images, `problem_types.py` names the kinds of labels. A
`Record` (`records.py`) is light and picklable: it knows how to make its document and makes it when asked
(`origins.py`). Where a record lies (folder and file names, URLs, image ids) may tell its label, so it never gets into
a document.
"""

from training.datasets.load import FORMATS, guess_format, load
from training.datasets.records import Corpus, Record, RecordProblem, Splits

__all__ = ["FORMATS", "Corpus", "Record", "RecordProblem", "Splits", "guess_format", "load"]
