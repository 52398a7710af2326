"""To and from docling's document model, which reads PDF, office files and much else. Needs the extra `docling`.

    DoclingDocument ─ its HTML ─ parse_html ─> Document ─ walk ─> DoclingDocument

docling's headings stand beside what they head; its HTML export goes through the rules that make sections of them here,
as Markdown does. Where on a sheet something stood is lost; images that docling holds come as data URIs.
"""

from typing import TYPE_CHECKING, Any

from docgraph.document import Document
from docgraph.errors import ImageError, check_type, needs_extra
from docgraph.limits import Limits
from docgraph.node import Node
from docgraph.parsers.html.page import parse_html

if TYPE_CHECKING:
    from docling_core.types.doc import DoclingDocument


def from_docling(document: "DoclingDocument", *, limits: Limits | None = None) -> Document:
    """Return a docling document as one of ours; its root kind is "page", and no part has a role.

    Raises:
        MissingExtraError: docling-core is not installed.
        DataError: it is no such document.
    """
    with needs_extra("from_docling"):
        from docling_core.types.doc import DoclingDocument
        from docling_core.types.doc.base import ImageRefMode

    check_type("document", document, DoclingDocument)
    html = document.export_to_html(image_mode=ImageRefMode.EMBEDDED)
    page = parse_html(html, limits=limits or Limits())
    page = page.replace(sources=None, score=None, role=(None,) * len(page))
    headings = page.find(kind="heading")
    title = headings[0].text if headings else document.name
    return page.with_metadata(title=" ".join(title.split()))


def to_docling(document: Document, *, name: str | None = None) -> "DoclingDocument":
    """Return a document as docling's: titles, headings, texts, lists, tables, images with captions, code, formulas.

    Boilerplate goes to docling's furniture layer. Images that can be opened go along;
    of others their caption or alternative text does.

    Raises:
        MissingExtraError: docling-core is not installed.
        DataError: it is no such document.
    """
    with needs_extra("to_docling"):
        from docling_core.types.doc import DoclingDocument
    check_type("document", document, Document)
    result = DoclingDocument(name=name or document.metadata.title or "document")
    writer = _Writer(result)
    stack: list[tuple[Node, Any]] = [(document.root, None)]
    while stack:  # no recursion: documents may be very deep
        node, parent = stack.pop()
        inner = writer.write(node, parent)
        if inner is not _DONE:
            stack += [(child, inner) for child in reversed(node.children)]
    return result


_DONE = object()
"""What `write` returns for a node whose children are written with it."""


class _Writer:
    def __init__(self, result: "DoclingDocument") -> None:
        from docling_core.types.doc import ContentLayer, DocItemLabel, ImageRef, TableCell, TableData

        self.result, self.labels = result, DocItemLabel
        self.layers, self.cell, self.data, self.image = ContentLayer, TableCell, TableData, ImageRef
        self.titled = False

    def write(self, node: Node, parent: Any) -> Any:
        """Write a node; return the parent of its children, or `_DONE` if they are written."""
        options = {"parent": parent, "content_layer": self._layer(node)}
        text = node.text
        match node.kind:
            case "heading":
                level = int(node.attributes.get("level") or 1)
                if level == 1 and not self.titled:
                    self.titled = True
                    self.result.add_title(text, **options)
                else:
                    self.result.add_heading(text, level=max(level - 1, 1), **options)
            case "list":
                return self.result.add_list_group(**options)
            case "item":
                # its first text is the item's; lists and other blocks in it stand below it
                blocks = [child for child in node.children if child.kind != "sentence"]
                lead = "" if blocks and blocks[0].kind != "paragraph" else (blocks[0].text if blocks else text)
                item = self.result.add_list_item(lead, **options)
                for child in blocks[1:] if lead and blocks else blocks:
                    self._below(child, item)
            case "table":
                self._table(node, options)
            case "image":
                alt = node.attributes.get("alt")
                caption = self._caption(node) or (alt if isinstance(alt, str) and alt else None)
                caption_item = self.result.add_text(self.labels.CAPTION, caption, **options) if caption else None
                self.result.add_picture(image=self._image(node), caption=caption_item, **options)
            case "caption":
                return _DONE  # written with its image or table
            case "code":
                self.result.add_code(text, **options)
            case "math":
                self.result.add_formula(text, **options)
            case _ if node.kind in ("paragraph", "quote", "sentence", "term", "definition", "credit", "cell") and (
                not node.children or all(child.kind == "sentence" for child in node.children)
            ):
                if text:
                    self.result.add_text(self.labels.TEXT, text, **options)
            case _:
                return parent
        return _DONE

    def _below(self, node: Node, parent: Any) -> None:
        stack = [(node, parent)]
        while stack:
            one, above = stack.pop()
            inner = self.write(one, above)
            if inner is not _DONE:
                stack += [(child, inner) for child in reversed(one.children)]

    def _layer(self, node: Node) -> Any:
        return self.layers.BODY if node.role in (None, "main") else self.layers.FURNITURE

    def _image(self, node: Node) -> Any:
        """Return the image's pixels for docling, None if they are not at hand."""
        try:
            return self.image.from_pil(node.image.open(), dpi=72)
        except ImageError:
            return None

    def _caption(self, node: Node) -> str:
        figure = node.parent
        if figure is None or figure.kind != "figure":
            return ""
        return "\n".join(child.text for child in figure.children if child.kind == "caption")

    def _table(self, node: Node, options: dict[str, Any]) -> None:
        cells, rows, columns = [], 0, 0
        for child in node.children:
            row, column = child.position
            height, width = (int(child.attributes.get(name) or 1) for name in ("row_span", "column_span"))
            rows, columns = max(rows, row + height), max(columns, column + width)
            cells.append(
                self.cell(
                    text=child.text,
                    row_span=height,
                    col_span=width,
                    start_row_offset_idx=row,
                    end_row_offset_idx=row + height,
                    start_col_offset_idx=column,
                    end_col_offset_idx=column + width,
                    column_header=bool(child.attributes.get("header")) and row == 0,
                    row_header=bool(child.attributes.get("header")) and row > 0,
                )
            )
        caption = self._caption(node)
        caption_item = self.result.add_text(self.labels.CAPTION, caption, **options) if caption else None
        self.result.add_table(
            self.data(table_cells=cells, num_rows=rows, num_cols=columns), caption=caption_item, **options
        )
