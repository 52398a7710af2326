"""The `docgraph` command: one file a verb, each with `run` and EXAMPLES; options that verbs share are in options.py.

    docgraph parse PAGE|FOLDER         print or save the tree of a page or site          (no torch)
    docgraph parse FOLDER --output F   every page of a folder, on all cores              (no torch)
    docgraph view PAGE --output F      a page beside its tree, to look at                docgraph/view/
    docgraph chunk PATHS --output F    documents in pieces of bounded size               (no torch)
    docgraph index PATHS --output F    an index of documents                             docgraph/index/
    docgraph search INDEX QUESTION     answers, with their place in the page             docgraph/index/
    docgraph mcp INDEX                 the same as tools for agents                      jobs/agent_tools.py
    docgraph nodes PAGES --output F    the parts of pages as a table, to be labelled     (no torch)
    docgraph data DATA                 what is read of a data set                    (no torch)
    docgraph recipes [NAME]            named configurations                              recipes.py
    docgraph train --data PATH         train a classifier                                fit.py, choose.py
    docgraph evaluate DIR --data PATH  score it beside its baselines, write a report     evaluate.py, evaluation/
    docgraph predict DIR PATHS...      classes with probabilities                        evaluate.py
    docgraph embed PATHS --output F    vectors of documents and nodes to parquet         jobs/embed.py
    docgraph adapt PATHS --output F    a text encoder adapted to pages, no labels        adapt/
    docgraph compare --recipe ...      several kinds of attention and seeds in one table compare/
    docgraph zero-shot MODEL --data .. HSA inside a pre-trained model, measured          zero_shot/
    docgraph demo                      all of it on the sample documents                 jobs/demo.py

Exit codes: 0 done; 1 some inputs were set aside (named on stderr and in errors.jsonl); 2 wrong usage, or nothing
done. An error made by the input, or an optional package that is not installed, is one sentence on stderr, without a
traceback. A verb imports what it works with inside its `run`: help comes at once, and parsing never loads torch.
Results go to stdout, progress to stderr.

To add a verb, write training/cli/NAME.py and name it in VERBS.
"""

import shlex
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Final

import typer

from docgraph import __version__
from docgraph.errors import DocgraphError, needs_extra

VERBS: Final = (
    "parse",
    "view",
    "chunk",
    "index",
    "search",
    "mcp",
    "nodes",
    "data",
    "recipes",
    "train",
    "evaluate",
    "predict",
    "embed",
    "adapt",
    "compare",
    "zero-shot",
    "demo",
)

app = typer.Typer(name="docgraph", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
for verb in VERBS:
    module = import_module(f"{__name__}.{verb.replace('-', '_')}")
    app.command(verb, epilog=f"\b\nExamples:\n{module.EXAMPLES}")(module.run)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"docgraph {__version__}")
        raise typer.Exit


@app.callback()
def docgraph(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Documents as nested signals: parse pages into trees, train classifiers, embed."""


def main() -> None:
    """Run the command; turn an error that the input made into one sentence and exit code 2."""
    try:
        with needs_extra("this command"):
            app()
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone: no second error about flushing it
        sys.exit(0)
    except (DocgraphError, OSError) as error:
        print(f"error: {error}{_line_to_type(error)}", file=sys.stderr)
        sys.exit(2)


def _line_to_type(error: Exception) -> str:
    """Return this command with the options that the error asks for, where the verb takes them."""
    options, verb = getattr(error, "options", None), "".join(sys.argv[1:2])
    labelled, unlabelled = ("data", "train"), ("predict", "embed", "adapt", "index", "chunk")
    if options is None or verb not in (*labelled, *unlabelled) or "COLUMN" in options:
        return ""
    if verb in unlabelled:
        options = options.partition(" --label ")[0]
    replaced = ("--text", "--image", "--label") if "--text" in options else ("--label",)
    kept = without_options(sys.argv[1:], replaced)
    return f". Type: {shlex.join(['docgraph', *kept])} {options}"


def without_options(words: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return a command's words without some options and their values, as "--text x" or "--text=x"."""
    kept: list[str] = []
    given = iter(words)
    for word in given:
        if word in names:
            next(given, None)
        elif word.partition("=")[0] not in names:
            kept.append(word)
    return kept
