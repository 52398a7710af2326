"""Labelled documents from files: readers, and the one shape they all return.

    load(path) ──> Corpus ── "train" ──> DocumentDataset ──[i]──> {"document": Document, "label": 3, "id": "..."}
                     │
                     ├── labels     names, in the order of their numbers: those of the training records
                     └── problems   what was missing, broken or set aside, by name, counted

`n24news.py` reads news records with images, `sentiment.py` IMDB and Elec reviews, `folder.py` folders of pages and
tables (JSON lines, parquet). A `Record` is light and picklable: it knows how to make its document and makes it when
asked (`origins.py`). Where a record lies (folder and file names, URLs, image ids) may tell its label, so it never gets
into a document.
"""

from training.datasets.load import FORMATS, guess_format, load
from training.datasets.records import Corpus, Record, RecordProblem, Splits

__all__ = ["FORMATS", "Corpus", "Record", "RecordProblem", "Splits", "guess_format", "load"]
