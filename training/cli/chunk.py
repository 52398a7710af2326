"""`docgraph chunk`: documents in pieces of bounded size, a line or row each, without torch."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from docgraph.errors import DataError, needs_extra
from training.cli.options import Image, Paths, Text, column_options, keep_inputs

EXAMPLES: Final = """\
  docgraph chunk pages/ --output chunks.jsonl
  docgraph chunk page.html --output chunks.parquet --max-tokens 512 --tokenizer models/my-encoder --overlap 32
"""


def run(
    paths: Paths,
    output: Annotated[Path, typer.Option(help="File to write: .jsonl or .parquet.")],
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens of a chunk, with the headings put before it.")] = 256,
    tokenizer: Annotated[
        Path | None, typer.Option(help="tokenizer.json, or a folder with one, that counts tokens; words without.")
    ] = None,
    overlap: Annotated[int, typer.Option(min=0, help="Tokens that a chunk repeats of the one before.")] = 0,
    parents: Annotated[bool, typer.Option("--parents", help="Also sections and documents, whole.")] = False,
    boilerplate: Annotated[
        bool, typer.Option("--boilerplate", help="Also navigation, headers, footers and asides.")
    ] = False,
    text: Text = None,
    image: Image = None,
) -> None:
    """Cut documents into chunks along their structure: paragraphs, lists, tables, images, under their headings."""
    from training.inputs import ERRORS, SetAside, find_inputs
    from training.jobs.chunk import write_chunks

    keep_inputs(output, paths)
    errors = SetAside(output.parent / ERRORS)
    documents, chunks = write_chunks(
        find_inputs(paths, **column_options(text, image, None)),
        output,
        errors,
        count=None if tokenizer is None else _tokenizer(tokenizer),
        max_tokens=max_tokens,
        overlap=overlap,
        parents=parents,
        boilerplate=boilerplate,
    )
    errors.write()
    if documents:
        print(f"{chunks} chunks of {documents} documents in {output}")
    raise typer.Exit(errors.exit_code(documents))


def _tokenizer(path: Path) -> Any:
    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        raise DataError(f"--tokenizer must be a tokenizer.json or a folder with one, but {file} is not there.")
    with needs_extra("counting with a tokenizer"):
        from tokenizers import Tokenizer
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises no other
        raise DataError(f"--tokenizer must be a tokenizer.json, but {file} cannot be read as one: {error}.") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
