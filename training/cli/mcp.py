"""`docgraph mcp`: an index as tools for agents, over stdin and stdout."""

from pathlib import Path
from typing import Annotated, Final

import typer

from training.cli.options import need

EXAMPLES: Final = """\
  docgraph mcp pages.index
  docgraph mcp pages.index --folder pages/ --words
"""


def run(
    index: Annotated[Path, typer.Argument(metavar="INDEX", help="What `docgraph index` made.")],
    folder: Annotated[Path, typer.Option(help="Folder whose pages may be parsed.")] = Path(),
    words: Annotated[bool, typer.Option("--words", help="Search by words alone, without loading a model.")] = False,
) -> None:
    """Serve search, read, outline and parse to an agent, by the Model Context Protocol."""
    need("mcp", "mcp")
    from docgraph.index import Index
    from training.jobs.agent_tools import agent_server
    from training.jobs.embedders import embedder_of_index

    with Index.open(index, None if words else embedder_of_index(index)) as opened:
        agent_server(opened, folder).run("stdio")
