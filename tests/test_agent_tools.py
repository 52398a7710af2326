"""The tools for agents, called as an agent calls them: by the protocol's own client."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp", reason='pip install "docgraph[mcp]"')

import anyio
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from docgraph import Index, parse_html
from tests.conftest import ROOT
from training.jobs.agent_tools import agent_server

PAGE = (
    "<title>Bread</title><h1>Bread</h1><p>Time does the kneading.</p><h2>Oven</h2><p>Heat the pot. Bake the loaf.</p>"
)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    (tmp_path / "bread.html").write_text(PAGE)
    (tmp_path.parent / "secret.html").write_text("<p>secret</p>")
    with Index.open(tmp_path / "x.index", create=True) as made:
        made.add([("bread.html", parse_html(PAGE))])
    return tmp_path / "x.index"


def ask(server: Any, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    async def run() -> list[Any]:
        async with Client(server) as client:
            return [await client.call_tool(name, arguments) for name, arguments in calls]

    return anyio.run(run)


def test_an_agent_searches_then_reads_the_section_of_a_hit(index):
    with Index.open(index) as opened:
        server = agent_server(opened, index.parent)
        (found,) = ask(server, ("search", {"question": "loaf"}))
        hit = found.structured_content["result"][0]
        assert hit["headings"] == ["Bread", "Oven"]
        read, outline, whole = ask(
            server,
            ("read", {"id": hit["parent"]}),
            ("outline", {"document_id": hit["document_id"]}),
            ("read", {"id": "bread.html"}),
        )
    assert read.content[0].text == "Oven\n\nHeat the pot. Bake the loaf."
    assert [one["headings"] for one in outline.structured_content["result"]] == [[], ["Bread"], ["Bread", "Oven"]]
    assert whole.content[0].text == parse_html(PAGE).text


def test_pages_are_parsed_below_the_folder_only(index):
    with Index.open(index) as opened:
        server = agent_server(opened, index.parent)
        page, *refused = ask(
            server,
            ("parse", {"path": "bread.html"}),
            ("parse", {"path": "../secret.html"}),
            ("parse", {"path": str(index.parent.parent / "secret.html")}),
        )
    assert page.content[0].text.startswith("# Bread")
    for one in refused:
        assert one.is_error
        assert "must name a file below" in one.content[0].text
        assert "secret\n" not in one.content[0].text


def test_an_agent_limits_a_search_to_some_documents(index):
    with Index.open(index) as opened:
        opened.add([("soup.html", parse_html("<title>Soup</title><p>Heat the pot.</p>"))])
        every, one, wrong = ask(
            agent_server(opened, index.parent),
            ("search", {"question": "pot"}),
            ("search", {"question": "pot", "where": {"id": "bre*"}}),
            ("search", {"question": "pot", "where": {"author": "x"}}),
        )
    assert {hit["document_id"] for hit in every.structured_content["result"]} == {"bread.html", "soup.html"}
    assert {hit["document_id"] for hit in one.structured_content["result"]} == {"bread.html"}
    assert wrong.is_error
    assert "a search may be limited by id, site" in wrong.content[0].text


def test_an_agent_is_told_of_copies_in_few_words(index):
    with Index.open(index) as opened:
        opened.add([(f"mirror/{n}.html", parse_html(PAGE)) for n in range(50)])
        (found,) = ask(agent_server(opened, index.parent), ("search", {"question": "loaf"}))
    (hit,) = found.structured_content["result"]
    assert hit["also"].startswith("the same in 50 other places: mirror/0.html, ")
    assert hit["also"].endswith(" and 47 more")


def test_mistakes_are_said_in_a_sentence(index):
    with Index.open(index) as opened:
        server = agent_server(opened, index.parent)
        kind, id, document = ask(
            server,
            ("search", {"question": "x", "kind": "tabel"}),
            ("read", {"id": "none"}),
            ("outline", {"document_id": "none"}),
        )
    assert "kind must be one that the index has" in kind.content[0].text
    assert "an id must be one of this index" in id.content[0].text
    assert "document_id must be one of this index" in document.content[0].text
    assert kind.is_error
    assert id.is_error
    assert document.is_error


def test_the_command_speaks_the_protocol_over_stdin_and_stdout(index):
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "training.cli", "mcp", str(index)],
        cwd=str(ROOT),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    (found,) = ask(command, ("search", {"question": "kneading", "kind": "section"}))
    assert found.structured_content["result"][0]["document_id"] == "bread.html"


def test_arguments_of_any_letters_are_answered_in_a_short_sentence(index):
    calls: list[tuple[str, dict[str, Any]]] = [("search", {"question": " "}), ("search", {"question": "x", "kind": ""})]
    for text in ("\x00", "\ud800", "a" * 5_000, "", "."):
        calls += [("parse", {"path": text}), ("outline", {"document_id": text}), ("read", {"id": text})]
    with Index.open(index) as opened:
        for answer in ask(agent_server(opened, index.parent), *calls):
            assert answer.is_error
            assert " must " in answer.content[0].text
            assert len(answer.content[0].text) < 400
