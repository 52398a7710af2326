"""Tools for agents, by the Model Context Protocol: search an index, read from it, parse pages.

    search   hits with ids          read   a passage, section or document, whole
    outline  a document's sections  parse  a page of a folder, as Markdown

Every tool is a coroutine, so that all run in the one thread that the index was opened in. Nothing is written, nothing
fetched, and files are read below one folder only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from docgraph import Index, Limits, __version__, load_document
from docgraph.errors import DocgraphError, needs_extra
from docgraph.index.show import copies

with needs_extra("serving agents"):
    from mcp.server.mcpserver import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError

LONGEST: Final = 20_000
"""Characters of one answer; what is left out is said."""


def agent_server(index: Index, folder: Path) -> MCPServer:
    """Return a server over an index and the pages of a folder."""
    server = MCPServer(
        "docgraph",
        version=__version__,
        instructions="Search the indexed documents, then read the section of a hit. Each hit names its document, "
        "headings and DOM path.",
    )

    @server.tool()
    async def search(
        question: str, kind: str = "passage", top: int = 5, where: dict[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """Find passages, sections, documents, images, tables ... that answer a question, best first.

        `where` limits it to documents with such an id, site, language, date, url or title; * stands for anything:
        {"id": "manual/*", "date": "2024*"}.
        """
        with _told():
            hits = index.search(question, kind, min(max(top, 1), 50), where)
        # Of a thousand copies a few are named.
        return [{**asdict(hit), "text": _bounded(hit.text), "marks": None, "also": copies(hit)} for hit in hits]

    @server.tool()
    async def read(id: str) -> str:
        """Return the whole text of a hit's id, of the section it lies in (its parent),
        or of a document by its document_id.
        """
        with _told():
            return _bounded(index.read(id).text)

    @server.tool()
    async def outline(document_id: str) -> list[dict[str, Any]]:
        """Return the sections of a document in order, with ids that `read` takes."""
        with _told():
            sections = index.contents(document_id)
        if not sections:
            raise ToolError(
                f"document_id must be one of this index, as a hit has it, but {document_id!r:.100} is none."
            )
        return [{"id": one.id, "headings": one.headings, "characters": len(one.text)} for one in sections]

    @server.tool()
    async def parse(path: str, main_only: bool = True) -> str:
        """Return a page, text or article of the folder as Markdown: its main text, or all of it."""
        try:
            file = (folder / path).resolve()
            is_below = file.is_relative_to(folder.resolve()) and file.is_file()
        except (OSError, ValueError):  # too long, or with a zero in it
            is_below = False
        if not is_below:
            raise ToolError(f"path must name a file below {folder}, but is {path!r:.100}.")
        with _told():
            return _bounded(load_document(file, limits=Limits()).to_markdown(main_only=main_only))

    return server


@contextmanager
def _told() -> Iterator[None]:
    """Tell the agent what it did wrong, in our sentence."""
    try:
        yield
    except DocgraphError as error:
        raise ToolError(str(error)) from error


def _bounded(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return (
        f"{text[:LONGEST]}\n\n[{len(text) - LONGEST:,} of {len(text):,} characters are left out: "
        "read its sections by outline.]"
    )
