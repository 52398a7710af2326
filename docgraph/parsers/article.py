"""An article record to a document: named fields of text and images, as in N24News.

    article (KEYED) ─┬─ field headline ── sentence
                     ├─ field abstract ── sentence
                     ├─ field caption ─── sentence
                     ├─ field body ────── paragraph ── sentence
                     └─ field image ───── image

Fields stand in this order; one that is missing or blank makes no node. The body may be under `body` or `article`.
The record's label goes to `metadata.section` and nowhere else, its id to `metadata.extra["id"]`, and what else it
holds (`article_url`, `image_url`, `label_from`, ...) is left out: none of it may reach a model as a feature.

An image is not opened here. A file that is missing stays an image node whose `open()` says so.

Sources: N24News (LREC 2022) for the fields, and for the dirt: hundreds of its bodies are error pages of the site.
"""

import math
import os
import re
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final

from docgraph.document import Document, DocumentBuilder
from docgraph.errors import DataError, check_type
from docgraph.file_names import address_of
from docgraph.kinds import Domain
from docgraph.limits import Limits
from docgraph.metadata import Metadata
from docgraph.parsers.text import add_paragraphs, bounded, finished, has_room
from docgraph.records import ImageAccess
from docgraph.sentences import sentence_spans

if TYPE_CHECKING:
    from PIL import Image

_ADDRESS: Final = re.compile(r"data:|[a-z][a-z0-9+.-]+://", re.IGNORECASE)
FIELDS: Final = ("headline", "abstract", "caption", "body", "image")

_ERROR_PAGE: Final = re.compile(
    r"\bpage (?:is |was )?not found|\bpage (?:can ?not|can.t|could not|couldn.t) be found|lost this page"
    r"|\bpage (?:that )?you(?: are|.re|.ve| have)? [\w\s]{2,30}(?:not|n.t|no longer) (?:be found|exist|found|available)"
    r"|(?:error|http)[\s:#-]{0,3}(?:40[0-9]|410|429|50[0-4])\b"
    r"|\b(?:40[0-9]|50[0-4])[\s:-]{0,3}(?:error\b|forbidden|not found)"
    r"|bad gateway|service (?:temporarily )?unavailable|gateway time-?out|internal server error"
    r"|are you a robot|not a robot|enable (?:javascript|js\b|cookies)|javascript (?:is|must be) (?:disabled|enabled)"
    r"|\b(?:subscribe|log ?in|sign ?in|register|create an? (?:free )?account)\b[\w\s,]{0,30}"
    r" to (?:continue|keep reading|read|view)"
    r"|to (?:continue|keep) reading,? (?:please|subscribe|log|sign)"
    r"|\A.{0,40}(?:something went wrong|access (?:is |was )?(?:denied|forbidden)|unusual (?:activity|traffic))"
    r"|\A.{0,40}(?:content|article|service|site) is (?:no longer |currently un|temporarily un)available",
    re.IGNORECASE | re.DOTALL,
)
_ERROR_PAGE_CHARACTERS: Final = 600
"""A longer body is an article, whatever words are in it: the error pages seen are one or two short paragraphs."""


def parse_article(
    record: Mapping[str, Any],
    *,
    images: str | Path | None = None,
    language: str | None = None,
    limits: Limits | None = None,
    strict: bool = False,
) -> Document:
    """Return the document of an article record.

    Args:
        record: any of "headline", "abstract", "caption", "body" (or "article"): text, or a list of paragraphs;
            "image": a path, a `data:` URI, an address (needs a fetcher), a Pillow image, encoded bytes, or a list of
            these. "section" is the label. None, NaN and blank text count as missing; other entries are left out.
        images: the folder that image names start in and that no image may lie outside of. Without it a path is
            taken as the caller's own choice and may be anywhere: give a folder if the record is not trusted.
        language: BCP 47 tag, if known.
        limits: bounds on text, nodes and images.
        strict: raise where a bound cuts something off.

    Raises:
        DataError: the record, or a field, is of a type that it cannot have.
        LimitError: `strict` and a bound was passed.
    """
    check_type("record", record, Mapping)
    limits = limits or Limits()
    builder = DocumentBuilder()
    fields = _text_fields(builder, record, limits)
    given = _RecordImages(record.get("image"), images)
    builder.open("article", domain=Domain.KEYED)
    for name, text in fields.items():
        if name == "body":
            builder.open("field", key=name)
            add_paragraphs(builder, text, limits, language)
            builder.close()
        elif has_room(builder, 1 + len(spans := sentence_spans(text, language)), limits):
            builder.block("field", text, sentences=spans, key=name)
    if len(given.sources) > limits.images:
        builder.cut(
            "limit.images",
            f"the record has {len(given.sources)} images, but Limits.images is {limits.images}; the rest was left out.",
        )
        del given.sources[limits.images :]
    if given.sources and has_room(builder, 1 + len(given.sources), limits):
        builder.open("field", key="image", domain=Domain.SET)
        for source in given.sources:
            builder.leaf("image", attributes={"src": source})
        builder.close()
    builder.close()
    metadata = Metadata(
        title=fields.get("headline"),
        section=_label(record),
        language=language,
        extra={"id": str(record_id)} if (record_id := record.get("id") or record.get("image_id")) else {},
    )
    return finished(builder.build(metadata=metadata, image_access=given.access(limits)), strict)


def is_error_page(body: str) -> bool:
    """Whether a body is an error page, a paywall or a robot check that was scraped in place of an article."""
    return len(body) <= _ERROR_PAGE_CHARACTERS and _ERROR_PAGE.search(body) is not None


def _text_fields(builder: DocumentBuilder, record: Mapping[str, Any], limits: Limits) -> dict[str, str]:
    """Return the text fields that are present, in order; warn of a body that is none."""
    fields: dict[str, str] = {}
    for name in FIELDS[:-1]:
        sources = ("body", "article") if name == "body" else (name,)
        text = next((text for key in sources if (text := _text(record, key))), "")
        if text:
            fields[name] = bounded(builder, text, limits)
    if "body" in fields and is_error_page(fields["body"]):
        builder.warn("article.error_page", f"the body is an error page and was left out: {fields['body'][:80]!r}.")
        del fields["body"]
    if not fields and record and not any(record.get(name) is not None for name in (*FIELDS, "article")):
        builder.warn(
            "article.no_fields", f"the record has none of the fields {', '.join(FIELDS)}; it has {list(record)[:8]}."
        )
    return fields


def _text(record: Mapping[str, Any], name: str) -> str:
    """Return a field's text, "" if it is missing."""
    value = record.get(name)
    if isinstance(value, str):
        return value.strip()
    if _is_missing(value):
        return ""
    if isinstance(value, Sequence) and all(isinstance(part, str) for part in value):
        return "\n\n".join(part.strip() for part in value if part.strip())
    raise DataError(
        f"field {name} must be text or a list of paragraphs, but is a {type(value).__name__}: {value!r:.60}."
    )


def _label(record: Mapping[str, Any]) -> str | None:
    value = record.get("section")
    return None if _is_missing(value) or not str(value).strip() else str(value).strip()


def _is_missing(value: object) -> bool:
    """Whether a value stands for nothing: None, or the NaN that tables are filled with."""
    return value is None or (isinstance(value, float) and math.isnan(value))


class _RecordImages:
    """The images of a record: what each image node's `src` is, and how it is reached."""

    def __init__(self, value: Any, folder: str | Path | None) -> None:
        self.sources: list[str] = []
        self.resources: dict[str, bytes] = {}
        self.root: str | None = None
        values = [one for one in (value if isinstance(value, list | tuple) else [value]) if not _is_absent(one)]
        names = [_file_name(one) for one in values]
        if folder is not None:
            self.root = str(folder)
            paths = [None if name is None else _relative(name, self.root) for name in names]
        else:
            whole = [None if name is None else _resolved(name) for name in names]
            if folders := [path.parent for path in whole if path is not None]:
                self.root = os.path.commonpath(folders)
            paths = [None if path is None else path.relative_to(str(self.root)) for path in whole]
        for one, path in zip(values, paths, strict=True):
            if path is not None:
                self.sources.append(address_of(path.as_posix()))
            else:
                self._add(one)

    def access(self, limits: Limits) -> ImageAccess:
        return ImageAccess(resources=self.resources, root=self.root, limits=limits)

    def _add(self, value: Any) -> None:
        if isinstance(value, str):
            self.sources.append(value.strip())
            return
        name = f"picture-{len(self.sources) + 1}"
        self.resources[name] = _encoded(value)
        self.sources.append(name)


def _is_absent(value: object) -> bool:
    if isinstance(value, Mapping):
        return not value.get("bytes") and not value.get("path")
    return _is_missing(value) or (isinstance(value, str) and not value.strip())


def _file_name(value: Any) -> str | None:
    """Return the file name that a value holds, None if it holds something else."""
    if isinstance(value, Mapping) and not value.get("bytes"):
        value = value.get("path")
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    return value if isinstance(value, str) and not _ADDRESS.match(value.strip()) else None


def _relative(name: str, root: str) -> PurePath:
    """Return the name as it stands under the root; one that leads out is refused when the image is opened."""
    path = PurePath(name)
    return path.relative_to(root) if path.is_relative_to(root) else path


def _resolved(name: str) -> Path:
    """Return the file that the caller named; the caller's own symbolic links are followed here, once."""
    try:
        return Path(name).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"field image must name a file, but {name!r:.80} cannot: {error}.") from error


def _encoded(value: Any) -> bytes:
    """Return an image given in memory as an encoded file; PNG for a Pillow image, which loses nothing."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, Mapping) and isinstance(value.get("bytes"), bytes):
        return bytes(value["bytes"])
    if hasattr(value, "save") and hasattr(value, "mode"):
        return _png(value)
    raise DataError(
        f"field image must be a path, bytes, a Pillow image or a list of these, but is a {type(value).__name__}."
    )


def _png(image: "Image.Image") -> bytes:
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        image = image.convert("RGB")
    file = BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()
