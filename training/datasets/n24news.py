"""Read news records in the layouts of N24News: a label, four texts and an image.

    news/nytimes_{train,dev,test}.json    the given splits
    nytimes_dataset.json                  one list (also nytimes_dataset_full.json): split 8:1:1, see splitting.py
    images/<image_id>.jpg or imgs/...     images

One record is {"section", "headline", "abstract", "caption", "body" or "article", "image_id", "image_url",
"article_url"}; any of them may be missing but the label. Labels are those of the data. Known dirt is handled and
counted: images that are missing or broken, empty fields, and bodies that are the error page of a scrape, which
shows in that several records have the very same one, or in its words (docgraph's `is_error_page`). `image_id`,
the URLs and `section` never get into a document.

Sources: github.com/billywzh717/N24News; Wang et al., LREC 2022 (aclanthology.org/2022.lrec-1.729).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from docgraph import Limits
from docgraph.errors import DataError
from docgraph.parsers.article import is_error_page
from training.datasets.cells import label_of, text_of
from training.datasets.image_files import find_image, judge
from training.datasets.lines import first_record, read_json
from training.datasets.origins import ArticleOrigin
from training.datasets.records import SPLIT_NAMES, Corpus, Record, RecordProblem, UniqueNames, resolve
from training.datasets.splitting import random_split

FIELDS: Final = ("headline", "abstract", "caption", "body", "image")
TEXT_KEYS: Final = {
    "headline": ("headline",),
    "abstract": ("abstract",),
    "caption": ("caption",),
    "body": ("body", "article"),
}
LISTS: Final = ("nytimes_dataset_full.json", "nytimes_dataset.json")
SAME_BODY: Final = 5
"""A body that this many records share word for word is a page of the site, not an article."""


def is_n24news(path: Path) -> bool:
    """Whether a path looks like one of the layouts; a list of one's own is told by its first record."""
    single = _list_file(path)
    if single is not None and single == path and single.name not in LISTS:
        return _is_news(first_record(path) or {})
    return single is not None or bool(_split_files(path))


def read_n24news(
    path: str | Path,
    *,
    fields: Sequence[str] = FIELDS,
    seed: int = 0,
    split_file: Path | None = None,
    limits: Limits | None = None,
    check_images: bool = True,
) -> Corpus:
    """Read a data set.

    Args:
        path: the folder that holds `news/` and the images, the `news` folder itself, or the one list.
        fields: those to use, of `FIELDS`; the others are left out of every document.
        seed: of the random split, if the splits are not given.
        split_file: where the random split is stored; followed if it is there, else written.
        check_images: decode every image once; False reads headers only.

    Raises:
        DataError: neither layout is there, a file is not a list of records, or a field is unknown.
    """
    root = resolve(path)
    unknown = [name for name in fields if name not in FIELDS]
    if unknown or not fields:
        raise DataError(
            f"fields must be some of {', '.join(FIELDS)}, but {', '.join(unknown) or 'none'} was asked for."
        )
    files: dict[str, Path] = _split_files(root)
    single = _list_file(root)
    if not files and single is None:
        raise DataError(
            f"{root} must hold news/nytimes_train.json (with _dev and _test) or nytimes_dataset.json, but does not."
        )
    given = bool(files)
    if single is not None and not given:
        files = {"": single}
    raw = {name: _read_list(file) for name, file in files.items()}
    image_folder = _image_folder(next(iter(files.values())).parent) if "image" in fields else None
    reader = _NewsReader(fields, image_folder, limits or Limits(), check_images)
    reader.learn_error_pages(raw)
    splits = {name: reader.read(records) for name, records in raw.items()}
    order = [record.id for records in splits.values() for record in records]
    if not given:
        splits = random_split(splits[""], seed, split_file)
    return Corpus(root.resolve().name, splits, reader.problems, order=order, is_drawn=not given)


class _NewsReader:
    """Turns raw records into `Record`s and notes what is wrong with them."""

    def __init__(self, fields: Sequence[str], image_folder: Path | None, limits: Limits, decode: bool) -> None:
        self.fields = fields
        self.image_folder = image_folder
        self.limits = limits
        self.decode = decode
        self.problems: list[RecordProblem] = []
        self.error_pages: set[str] = set()
        self.unique = UniqueNames()

    def learn_error_pages(self, raw: Mapping[str, Sequence[Any]]) -> None:
        """Note the bodies that several records share."""
        bodies = Counter(
            _text(record, "body") for records in raw.values() for record in records if isinstance(record, dict)
        )
        self.error_pages = {body for body, count in bodies.items() if body and count >= SAME_BODY}

    def read(self, raw: Sequence[Any]) -> list[Record]:
        """Return the records that are objects; others are noted and left out."""
        records = []
        for index, one in enumerate(raw):
            if isinstance(one, dict):
                records.append(self._record(one, index))
            else:
                self._note("record.unreadable", f"#{index}", f"a record must be an object, but is {one!r:.60}.")
        return records

    def _record(self, raw: Mapping[str, Any], index: int) -> Record:
        name = self._name(raw, index)
        wanted = [field for field in TEXT_KEYS if field in self.fields]
        texts = [(field, text) for field in wanted if (text := self._field(raw, field, name))]
        images = self._images(raw, name)
        present = tuple(field for field, _ in texts) + (("image",) if images else ())
        if not present:
            self._note("record.empty", name, "none of the fields that were asked for is there.")
        return Record(
            id=name,
            label=label_of(raw.get("section")),
            origin=ArticleOrigin(tuple(texts), images),
            fields=present,
            characters=sum(len(text) for _, text in texts),
        )

    def _name(self, raw: Mapping[str, Any], index: int) -> str:
        """Return an id: the image's, or else the place in the list."""
        return self.unique(label_of(raw.get("image_id")) or f"#{index}")

    def _field(self, raw: Mapping[str, Any], field: str, name: str) -> str:
        text = _text(raw, field)
        if not text:
            self._note(f"{field}.empty", name, f"the {field} is empty.")
        elif field == "body" and (text in self.error_pages or is_error_page(text)):
            self._note("body.error_page", name, f"the body is an error page: {text[:60]!r}.")
            return ""
        return text

    def _images(self, raw: Mapping[str, Any], name: str) -> tuple[str, ...]:
        if "image" not in self.fields:
            return ()
        image_id = label_of(raw.get("image_id"))
        if not image_id or self.image_folder is None:
            self._note("image.missing", name, "there is no image_id." if not image_id else "there is no image folder.")
            return ()
        file = find_image(self.image_folder, image_id)
        wrong = judge(self.image_folder, file, self.limits, decode=self.decode)
        if wrong is not None:
            self._note(wrong[0], name, wrong[1])
            return ()
        return (str(self.image_folder / file),)

    def _note(self, code: str, record: str, message: str) -> None:
        self.problems.append(RecordProblem(code, record, message))


def _text(raw: Mapping[str, Any], field: str) -> str:
    """Return a text field under any of its keys, the first that is not empty.

    A body without blank lines has its paragraphs in lines.
    """
    text = next((text for key in TEXT_KEYS[field] if (text := text_of(raw.get(key)))), "")
    return text if field != "body" or "\n\n" in text else text.replace("\n", "\n\n")


def _split_files(root: Path) -> dict[str, Path]:
    """Return the split files under a folder or beside a given one."""
    for folder in (root / "news", root):
        files = {name: folder / f"nytimes_{name}.json" for name in SPLIT_NAMES}
        if files["train"].is_file():
            return {name: path for name, path in files.items() if path.is_file()}
    return {}


def _list_file(root: Path) -> Path | None:
    if root.is_file():
        return root if root.suffix.lower() == ".json" else None
    return next((f / name for f in (root, root / "news") for name in LISTS if (f / name).is_file()), None)


def _is_news(record: Mapping[str, Any]) -> bool:
    """Whether a record is named as N24News names things; a "label" is another's."""
    keys = {"image_id", *(key for keys in TEXT_KEYS.values() for key in keys)}
    return "section" in record and "label" not in record and not keys.isdisjoint(record)


def _image_folder(folder: Path) -> Path | None:
    """Return where the images lie: beside the lists, or beside their folder."""
    candidates = (above / name for above in (folder, folder.parent) for name in ("images", "imgs"))
    return next((path for path in candidates if path.is_dir()), None)


def _read_list(path: Path) -> list[Any]:
    try:
        values = read_json(path)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} must be a JSON list of records, but cannot be read: {error}.") from error
    if not isinstance(values, list):
        raise DataError(f"{path} must be a JSON list of records, but holds a {type(values).__name__}.")
    return values
