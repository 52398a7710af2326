"""Plain text to a document: paragraphs at blank lines, sentences within them.

    document ── paragraph ── sentence

Text is kept as it is but for line ends (CRLF and CR become LF) and lone surrogates (U+FFFD, with a warning): what
tokenizers and UTF-8 cannot hold. White space around paragraphs belongs to none.
"""

import re
from collections.abc import Iterator
from typing import Final

from docgraph.document import Document, DocumentBuilder
from docgraph.errors import LimitError, check_type
from docgraph.limits import Limits
from docgraph.metadata import Metadata
from docgraph.sentences import sentence_spans

_BLANK_LINE: Final = re.compile(r"\n[^\S\n]*+(?:\n[^\S\n]*+)++")
_SURROGATES: Final = re.compile("[\ud800-\udfff]")


def parse_text(
    text: str,
    *,
    title: str | None = None,
    language: str | None = None,
    limits: Limits | None = None,
    strict: bool = False,
) -> Document:
    """Return the document of a plain text.

    Args:
        title: for `metadata.title`; it adds no text.
        language: BCP 47 tag, if known.
        limits: `input_bytes` (here characters) and `nodes` apply.
        strict: raise where a bound cuts something off.

    Raises:
        LimitError: `strict` and a bound was passed.
        DataError: `text` is not a str; bytes go through `load_document` or `parse_html`.
    """
    check_type("text", text, str)
    limits = limits or Limits()
    builder = DocumentBuilder()
    builder.open("document")
    add_paragraphs(builder, bounded(builder, text, limits), limits, language)
    builder.close()
    return finished(builder.build(metadata=Metadata(title=title, language=language)), strict)


def add_paragraphs(builder: DocumentBuilder, text: str, limits: Limits, language: str | None = None) -> None:
    """Add the paragraphs of a text, with their sentences, under the open node; stop at `Limits.nodes`."""
    for paragraph in paragraphs(text):
        spans = sentence_spans(paragraph, language)
        if not has_room(builder, 1 + len(spans), limits):
            return
        builder.block("paragraph", paragraph, sentences=spans)


def paragraphs(text: str) -> Iterator[str]:
    """Yield what stands between blank lines, without outer white space; nothing that is only white space."""
    for part in _BLANK_LINE.split(text):
        if part := part.strip():
            yield part


def bounded(builder: DocumentBuilder, text: str, limits: Limits) -> str:
    """Return a text as documents hold it, cut at `Limits.input_bytes` characters; the builder says what was done."""
    if len(text) > limits.input_bytes:
        builder.cut(
            "limit.input_bytes",
            f"the text has {len(text)} characters, but Limits.input_bytes is {limits.input_bytes}; "
            "the rest was left out.",
        )
        text = text[: limits.input_bytes]
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text, count = _SURROGATES.subn("\ufffd", text)
        builder.warn("decode.replaced", f"{count} lone surrogates in the text were replaced by U+FFFD.")
    return text


def has_room(builder: DocumentBuilder, count: int, limits: Limits) -> bool:
    """Whether `count` more nodes fit in `Limits.nodes`; if not, the builder says so, once."""
    if len(builder) + count <= limits.nodes:
        return True
    if not builder.truncated:
        builder.cut(
            "limit.nodes",
            f"the text makes more nodes than Limits.nodes={limits.nodes}; the rest was left out.",
            len(builder) - 1,
        )
    return False


def finished(document: Document, strict: bool) -> Document:
    """Return the document, or raise if it was cut and `strict` is set."""
    if strict and document.truncated:
        cut = next(warning for warning in document.warnings if warning.code.startswith("limit."))
        raise LimitError(f"{cut.message.rstrip('.')}. Raise the limit if the source is trusted.")
    return document
