"""Read film and product reviews: IMDB and Elec.

    aclImdb/{train,test}/{pos,neg}/<n>_<rating>.txt, urls_{pos,neg}.txt      IMDB as it is published
    *.jsonl[.gz] with "text", "label" (0/1) and perhaps "movie"              either, a review a line
    elec-<size>-train.{txt.tok,cat}, elec-test.{txt.tok,cat}                 Elec as it is published

IMDB's line break marks are paragraph marks where two stand together. Validation is a tenth of the training half. It
has films of its own where films are known: reviews of one film share its names, so a random tenth flatters. Elec's
training files are ordered so that each fifth has products of its own:
the last tenth shares products with the tenth before it at most.

Sources: ai.stanford.edu/~amaas/data/sentiment; riejohnson.com (elec2.tar.gz, README).
"""

import re
from pathlib import Path
from typing import Any, Final

from docgraph.errors import DataError
from training.datasets.cells import label_of, text_of
from training.datasets.lines import is_lines, read_lines
from training.datasets.origins import TextOrigin
from training.datasets.records import Corpus, Record, RecordProblem, resolve
from training.datasets.splitting import split_records

LABELS: Final = ("negative", "positive")
DEV_SHARE: Final = 0.1
BREAKS: Final = re.compile(r"(?:\s*<br\s*/?>){2,}\s*", re.IGNORECASE)
BREAK: Final = re.compile(r"\s*<br\s*/?>\s*", re.IGNORECASE)
FILM: Final = re.compile(r"/title/(tt\d+)")


def is_imdb(path: Path) -> bool:
    """Whether a path looks like the published folder, or a file of reviews that names films."""
    if path.is_dir():
        return (path / "train" / "pos").is_dir() and (path / "train" / "neg").is_dir()
    return is_lines(path) and {"movie", "text", "label"} <= next(read_lines(path), {}).keys()


def is_elec(path: Path) -> bool:
    """Whether a path looks like the published folder."""
    return path.is_dir() and bool(list(path.glob("elec*train.cat")))


def read_imdb(path: str | Path, *, seed: int = 0) -> Corpus:
    """Read IMDB reviews; splits "train", "dev" and, if the folder has it, "test".

    Raises:
        DataError: the folder or file holds no reviews.
    """
    root = resolve(path)
    problems: list[RecordProblem] = []
    test: list[Record] = []
    films: dict[str, str] = {}
    if root.is_dir():
        train = _read_half(root / "train", films, problems)
        test = _read_half(root / "test", films, problems) if (root / "test").is_dir() else []
    else:
        train = _read_lines(root, films, problems)
    if not train:
        raise DataError(f"{root} must hold IMDB reviews (train/pos/*.txt or JSON lines), but holds none.")
    shares = {"train": 1 - DEV_SHARE, "dev": DEV_SHARE}
    splits = split_records(train, shares, seed=seed, key=lambda record: films.get(record.id, record.id))
    order = [record.id for record in (*train, *test)]
    return Corpus("imdb", splits | ({"test": test} if test else {}), problems, order=order)


def read_elec(path: str | Path, *, size: str | None = None) -> Corpus:
    """Read Elec reviews; "dev" is the last tenth of the training file.

    Args:
        size: which training file ("25k"); needed where there are several and none of them is "25k".

    Raises:
        DataError: no training file, several without a `size`, or texts and categories of different length.
    """
    root = resolve(path)
    problems: list[RecordProblem] = []
    if root.is_file():
        train, test = _read_lines(root, {}, problems), []
    else:
        train = _read_pair(_elec_stem(root, size), "train", problems)
        held = root / "elec-test.cat"
        test = _read_pair(held.with_suffix(""), "test", problems) if held.is_file() else []
    kept = len(train) - int(len(train) * DEV_SHARE)
    splits = {"train": train[:kept], "dev": train[kept:]}
    return Corpus("elec", splits | ({"test": test} if test else {}), problems)


def paragraphs(text: str) -> str:
    """Return a review with its marks turned into white space: two or more line breaks are a paragraph's end."""
    return BREAK.sub("\n", BREAKS.sub("\n\n", text)).strip()


def _record(name: str, label: str | None, text: str, problems: list[RecordProblem]) -> Record:
    content = paragraphs(text)
    if not content:
        problems.append(RecordProblem("body.empty", name, "the review is empty."))
    return Record(name, label, TextOrigin(content), ("text",) if content else (), len(content))


def _read_half(folder: Path, films: dict[str, str], problems: list[RecordProblem]) -> list[Record]:
    """Read `pos` and `neg`; line n of urls_pos.txt is the film of review n."""
    records = []
    for sign, label in (("neg", LABELS[0]), ("pos", LABELS[1])):
        urls = folder / f"urls_{sign}.txt"
        lines = urls.read_text(encoding="utf-8").splitlines() if urls.is_file() else []
        for file in sorted((folder / sign).glob("*.txt"), key=lambda file: (len(file.stem.split("_")[0]), file.stem)):
            name = f"{folder.name}/{sign}/{file.stem}"
            number = file.stem.split("_")[0]
            if number.isdigit() and int(number) < len(lines) and (film := FILM.search(lines[int(number)])):
                films[name] = film[1]
            records.append(_record(name, label, file.read_text(encoding="utf-8", errors="replace"), problems))
    return records


def _read_lines(path: Path, films: dict[str, str], problems: list[RecordProblem]) -> list[Record]:
    records = []
    for number, line in enumerate(read_lines(path)):
        name = str(line.get("id", f"#{number}"))
        if "movie" in line:
            films[name] = str(line["movie"])
        records.append(_record(name, _label(line.get("label")), text_of(line.get("text")), problems))
    return records


def _label(value: Any) -> str | None:
    """Return a label's name: 0 and 1 are negative and positive, as are "neg" and "pos"."""
    if value in (0, 1, "0", "1"):
        return LABELS[int(value)]
    name = label_of(value)
    return {"neg": LABELS[0], "pos": LABELS[1]}.get(str(name), name)


def _elec_stem(root: Path, size: str | None) -> Path:
    """Return the training file's path without its suffix."""
    stems = sorted(path.with_suffix("") for path in root.glob("elec*train.cat"))
    chosen = [stem for stem in stems if stem.name == f"elec-{size or '25k'}-train"]
    if chosen or (len(stems) == 1 and size is None):
        return (chosen or stems)[0]
    raise DataError(
        f"{root} must hold one Elec training file, or size= must name one, "
        f"but it holds {[s.name for s in stems]} and size={size!r}."
    )


def _read_pair(stem: Path, split: str, problems: list[RecordProblem]) -> list[Record]:
    """Read a `.txt.tok` and its `.cat`: 1 is negative, 2 positive."""
    # Not splitlines(): a review may hold U+0085 or U+2028.
    texts = stem.with_name(f"{stem.name}.txt.tok").read_text(encoding="utf-8", errors="replace")
    reviews = texts.removesuffix("\n").split("\n") if texts else []
    marks = stem.with_name(f"{stem.name}.cat").read_text(encoding="utf-8").split()
    if len(reviews) != len(marks):
        raise DataError(
            f"{stem}.txt.tok and .cat must have one line for each review, but have {len(reviews)} and {len(marks)}."
        )
    if strange := sorted(set(marks) - {"1", "2"}):
        raise DataError(f"{stem}.cat must hold 1 or 2 on each line, but holds {', '.join(strange[:5])}.")
    return [
        _record(f"{split}/{number}", LABELS[int(mark) - 1], text, problems)
        for number, (text, mark) in enumerate(zip(reviews, marks, strict=True))
    ]
