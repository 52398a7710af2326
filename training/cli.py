"""The `docgraph` command.

    docgraph parse PAGE|FOLDER         print or save the tree of a page or site          (no torch)
    docgraph parse FOLDER --output F   every page of a folder, on all cores              (no torch)
    docgraph train CONFIG | --recipe   train a classifier                                fit.py
    docgraph recipes [NAME]            named configurations                              recipes.py
    docgraph compare --recipe ...      several kinds of attention and seeds in one table compare.py
    docgraph evaluate DIR --data PATH  score it beside its baselines, write a report     evaluate.py, report.py
    docgraph predict DIR PATHS...      classes with probabilities                        evaluate.py
    docgraph embed DIR PATHS...        vectors of documents and nodes to parquet         embed.py, shards.py
    docgraph zero-shot MODEL --data .. HSA inside a pre-trained model, measured           zero_shot.py
    docgraph demo                      all of it on the sample documents                 demo.py

Exit codes: 0 done; 1 some inputs were set aside (named on stderr and in errors.jsonl); 2 wrong usage, or nothing
done. An error made by the input is one sentence on stderr, without a traceback. Every heavy import stands inside its
command, so that help comes at once and parsing never loads torch. Results go to stdout, progress to stderr.
"""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from docgraph.errors import DocgraphError

if TYPE_CHECKING:
    from rich.console import Console

    from docgraph import Document
    from training.config import TrainingConfig

app = typer.Typer(
    name="docgraph",
    help="Documents as nested signals: parse pages into trees, train classifiers on them, embed every node.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Format(StrEnum):
    """What `parse` prints."""

    outline = "outline"
    json = "json"
    markdown = "markdown"
    networkx = "networkx"


ModelFolder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a trained model.")]
Paths = Annotated[list[Path], typer.Argument(metavar="PATHS...", help="Files, folders, or a data set.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")]


@app.command()
def parse(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PAGE|FOLDER...", help="A page, text, article, or site; - reads HTML from stdin."),
    ],
    format: Annotated[Format, typer.Option(help="What to print.")] = Format.outline,
    output: Annotated[
        Path | None,
        typer.Option(help="File to write instead of stdout; .jsonl or .parquet: a document a line or row."),
    ] = None,
    main_only: Annotated[bool, typer.Option("--main-only", help="Keep a page's main content only.")] = False,
    max_nodes: Annotated[int | None, typer.Option(help="Nodes that an outline shows.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes for .jsonl and .parquet; all cores if not given.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Print the tree of a page, text, article or site. A folder is a site.

    With --output FILE.jsonl or FILE.parquet every file is a document of its own, parsed on all cores; the same command
    goes on where it was cut off, and what cannot be read is named in errors.jsonl beside the file.
    """
    from training.inputs import ERRORS, Errors

    if output is not None and output.suffix.lower() in (".jsonl", ".parquet"):
        _parse_many(paths, output, main_only, workers, quiet)
    errors = Errors((output.parent if output else Path()) / ERRORS)
    written = []
    for path in paths:
        try:
            document = _read(path, main_only)
        except DocgraphError as error:
            errors.add(str(path), error)
            continue
        for warning in document.warnings:
            if warning.code == "site.page":
                errors.add(str(path), DocgraphError(warning.message))
        written.append(_written(document, format, main_only, max_nodes))
    text = "".join(one if one.endswith("\n") else one + "\n" for one in written)
    if not written:
        errors.write()
        raise typer.Exit(2)
    if output is None:
        sys.stdout.write(text)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
    errors.write()
    raise typer.Exit(errors.exit_code(len(written)))


def _parse_many(paths: list[Path], output: Path, main_only: bool, workers: int | None, quiet: bool) -> NoReturn:
    from docgraph import parse_many

    counts = parse_many(paths, output, main_only=main_only, workers=workers, progress=not quiet)
    print(
        f"{counts.output}: {counts.written} documents written ({counts.truncated} cut at a bound), "
        f"{counts.skipped} there already, {counts.failed} failed, {counts.seconds:.1f} s"
    )
    if counts.failed:
        print(f"what failed is in {counts.errors}", file=sys.stderr)
        raise typer.Exit(1 if counts.written + counts.skipped else 2)
    raise typer.Exit(0)


def _read(path: Path, main_only: bool) -> "Document":
    from docgraph import load_document, parse_html

    if str(path) == "-":
        return parse_html(sys.stdin.buffer.read(), main_only=main_only)
    options: dict[str, Any] = {}
    if main_only and path.suffix.lower() in (".html", ".htm", ".xhtml", ".xht"):
        options["main_only"] = True
    return load_document(path, **options)


def _written(document: "Document", format: Format, main_only: bool, max_nodes: int | None) -> str:
    if format is Format.json:
        return document.to_json()
    if format is Format.markdown:
        return document.to_markdown(main_only=main_only)
    if format is Format.networkx:
        import json

        import networkx

        graph = document.to_networkx()
        return json.dumps(networkx.node_link_data(graph, edges="edges"), ensure_ascii=False)
    return document.outline(max_nodes=max_nodes)


@app.command()
def train(
    config: Annotated[Path | None, typer.Argument(metavar="[CONFIG.yaml]", help="A training configuration.")] = None,
    recipe: Annotated[str | None, typer.Option(help="Name of a recipe, instead of or under CONFIG.yaml.")] = None,
    data: Annotated[str | None, typer.Option(help="Data set: a folder or file.")] = None,
    output: Annotated[str | None, typer.Option(help="Run folder; a run that was cut off goes on.")] = None,
    format: Annotated[str | None, typer.Option(help="Format of the data set.")] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed.")] = None,
    set: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change one value.")] = None,
    quiet: Quiet = False,
) -> None:
    """Train a classifier from a configuration or a recipe. The same command resumes a run that was cut off."""
    chosen = _config(config, recipe, {"data": data, "output": output, "format": format, "seed": seed}, set or [])
    _need("accelerate", "torchmetrics", "scipy")
    from training.fit import fit

    run = fit(chosen, _console(quiet))
    best = run.scores.get("best")
    if best:
        print(f"dev accuracy {best['dev_accuracy']:.4f}, macro-F1 {best['dev_macro_f1']:.4f}")
    print(f"model in {run.folder}")


def _config(
    file: Path | None, recipe_name: str | None, values: dict[str, Any], settings: list[str]
) -> "TrainingConfig":
    """Join a recipe, a file, options and settings; later ones win."""
    from training.config import ConfigError, TrainingConfig, parse_setting, read_config
    from training.recipes import recipe

    if file is None and recipe_name is None and values["data"] is None:
        raise ConfigError("training needs a CONFIG.yaml, or --recipe NAME (or settings) with --data and --output.")
    chosen = TrainingConfig() if recipe_name is None else recipe(recipe_name)
    if file is not None:
        chosen = read_config(file, under=chosen)
    chosen = chosen.with_values({name: value for name, value in values.items() if value is not None})
    return chosen.with_values(dict(map(parse_setting, settings)))


@app.command()
def compare(
    config: Annotated[Path | None, typer.Argument(metavar="[CONFIG.yaml]", help="A training configuration.")] = None,
    recipe: Annotated[str | None, typer.Option(help="Name of a recipe, instead of or under CONFIG.yaml.")] = None,
    data: Annotated[str | None, typer.Option(help="Data set: a folder or file.")] = None,
    output: Annotated[str | None, typer.Option(help="Folder of runs and table; finished runs are kept.")] = None,
    format: Annotated[str | None, typer.Option(help="Format of the data set.")] = None,
    attention: Annotated[str, typer.Option(help="Kinds of attention, with commas between.")] = "hsa,flat,none,permuted",
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each kind, from seeds 0, 1, ...")] = 1,
    split: Annotated[str, typer.Option(help="Which split; dev stands in where there is no test.")] = "test",
    baseline: Annotated[bool, typer.Option(help="Train the bag of words on the same records, too.")] = True,
    minutes: Annotated[
        float | None, typer.Option(help="Start no further run after so long; the same command goes on.")
    ] = None,
    set: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change one value.")] = None,
    quiet: Quiet = False,
) -> None:
    """Train the same model with several kinds of attention, and say which differences are significant."""
    chosen = _config(config, recipe, {"data": data, "output": output, "format": format}, set or [])
    _need("accelerate", "torchmetrics", "scipy", "sklearn", "matplotlib")
    from training.compare.report import to_markdown
    from training.compare.run import compare as run

    found = run(
        chosen,
        attention=[kind.strip() for kind in attention.split(",") if kind.strip()],
        seeds=seeds,
        split=split,
        with_baseline=baseline,
        minutes=minutes,
        console=_console(quiet),
    )
    print(to_markdown(found))


@app.command()
def evaluate(
    folder: ModelFolder,
    data: Annotated[Path, typer.Option(help="Data set: a folder or file.")],
    split: Annotated[str, typer.Option(help="Which split; dev stands in where there is no test.")] = "test",
    format: Annotated[str, typer.Option(help="Format of the data set.")] = "auto",
    report: Annotated[
        Path | None,
        typer.Option(help="Report to write: .html, .json or .md; the confusion matrix goes beside it."),
    ] = None,
    baselines: Annotated[bool, typer.Option(help="Train the bag of words on the same records, too.")] = True,
    quiet: Quiet = False,
) -> None:
    """Score a trained model on a data set, beside the majority class and a bag of words."""
    _need("torchmetrics")
    from training.evaluate import evaluate as run
    from training.evaluate import evaluation_corpus, open_model
    from training.report import confusion_png, print_evaluation, write_report

    model = open_model(folder)
    corpus = evaluation_corpus(folder, data, format)
    found = run(model, corpus, split, name=str(folder), with_baselines=baselines, show_progress_bar=not quiet)
    print_evaluation(found)
    if report is not None:
        print(f"report in {write_report(report, found)}")
        print(f"confusion matrix in {confusion_png(report.with_suffix('.png'), found.scores)}")


@app.command()
def predict(
    folder: ModelFolder,
    paths: Paths,
    output: Annotated[Path | None, typer.Option(help="JSON lines file to write instead of stdout.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
    top: Annotated[int, typer.Option(min=1, help="Classes to print.")] = 3,
) -> None:
    """Print the classes of documents with their probabilities."""
    from training.evaluate import open_model, predict_inputs
    from training.inputs import ERRORS, Errors, find_inputs

    model = open_model(folder)
    errors = Errors((output.parent if output else Path()) / ERRORS)
    lines = []
    for one in predict_inputs(model, find_inputs(paths), errors):
        if output is not None or as_json:
            lines.append(one.to_json())
        else:
            best = list(one.probabilities.items())[:top]
            print(f"{one.id}: " + ", ".join(f"{label} {value:.3f}" for label, value in best))
            lines.append("")
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    elif as_json:
        print("\n".join(lines))
    errors.write()
    raise typer.Exit(errors.exit_code(len(lines)))


@app.command()
def embed(
    folder: ModelFolder,
    paths: Paths,
    output: Annotated[Path, typer.Option(help="Parquet file to write; a job that was cut off goes on.")],
    level: Annotated[
        list[str] | None,
        typer.Option(help="document, a kind of node (section, paragraph, image, ...), node or leaf; may be repeated."),
    ] = None,
    normalize: Annotated[bool, typer.Option(help="Scale vectors to length 1.")] = True,
    quiet: Quiet = False,
) -> None:
    """Write the vectors of documents and of their nodes to a parquet file."""
    _need("pyarrow")
    from training.embed import embed as run
    from training.evaluate import open_model
    from training.inputs import find_inputs

    rows, errors = run(
        open_model(folder),
        find_inputs(paths),
        output,
        levels=level or ["document"],
        normalize=normalize,
        console=_console(quiet),
    )
    print(f"{rows} vectors in {output}")
    raise typer.Exit(errors.exit_code(rows))


@app.command()
def recipes(
    name: Annotated[str | None, typer.Argument(help="One of them, to print as YAML.")] = None,
) -> None:
    """List the recipes, or print one as a configuration to start from."""
    from training.recipes import RECIPES, recipe

    print("\n".join(RECIPES) if name is None else recipe(name).to_yaml(), end="\n" if name is None else "")


@app.command("zero-shot")
def zero_shot(
    model: Annotated[str, typer.Argument(help="Folder or hub name of a transformers text model.")],
    data: Annotated[list[Path], typer.Option(help="Labelled data set; may be repeated.")],
    layers: Annotated[
        str | None, typer.Option(help="0-based, such as 6,8,10 or 3-5; every second of the later half.")
    ] = None,
    branching: Annotated[str, typer.Option(help="Windows, leaves first; empty is softmax.")] = "2,4,8,16",
    own: Annotated[
        bool, typer.Option("--own-special-tokens", help="[CLS] and [SEP] are children of the root.")
    ] = False,
    untie: Annotated[str | None, typer.Option(help="rows or queries; the paper's form ties both.")] = None,
    near: Annotated[int, typer.Option(help="Neighbouring windows that are exact; needs --untie.")] = 0,
    pooling: Annotated[str, typer.Option(help="mean or attention; attention needs --untie.")] = "mean",
    cumulant: Annotated[bool, typer.Option("--cumulant", help="Second cumulant of block logits.")] = False,
    keep: Annotated[
        float | None,
        typer.Option(help="Choose layers and forms by calibration: share of the attention that may remain."),
    ] = None,
    choose: Annotated[int | None, typer.Option(help="With --keep: convert exactly so many layers.")] = None,
    sweep: Annotated[bool, typer.Option("--sweep", help="All start layers: the paper's Appendix L.")] = False,
    limit: Annotated[int | None, typer.Option(help="Documents of each data set, drawn at random.")] = None,
    max_length: Annotated[int | None, typer.Option(help="Tokens of a document.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Documents at a time.")] = 16,
    output: Annotated[Path | None, typer.Option(help="JSON file of all outcomes.")] = None,
    save: Annotated[Path | None, typer.Option(help="Folder for the converted model.")] = None,
    quiet: Quiet = False,
) -> None:
    """Replace attention by HSA in layers of a pre-trained model, without training, and measure what it costs."""
    _need("sklearn")
    from training.zero_shot import numbers, run

    run(
        model,
        data,
        layers=None if layers is None else numbers(layers),
        branching=numbers(branching),
        own_special_tokens=own,
        untie=untie,
        near=near,
        pooling=pooling,
        cumulant=cumulant,
        keep=keep,
        choose=choose,
        sweep=sweep,
        limit=limit,
        max_length=max_length,
        batch_size=batch_size,
        output=output,
        save=save,
        console=_console(quiet),
    )


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Folder for everything it writes.")] = Path("demo_output"),
    data: Annotated[Path | None, typer.Option(help="The sample documents.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    recipe: Annotated[str, typer.Option(help="news-scratch, or news-minilm: some minutes longer.")] = "news-scratch",
) -> None:
    """Parse, train, evaluate, predict and embed the sample documents: a few minutes on two cores."""
    _need("accelerate", "torchmetrics", "scipy", "sklearn", "matplotlib", "pyarrow")
    from training.demo import demo as run

    run(output, data, seed, recipe)


def _need(*packages: str) -> None:
    """Say at once which package is missing.

    Raises:
        MissingExtraError: one of them is not installed.
    """
    from importlib.util import find_spec

    from docgraph.errors import MissingExtraError

    for package in packages:
        if find_spec(package) is None:
            extra = "embed" if package == "pyarrow" else "train"
            raise MissingExtraError({"sklearn": "scikit-learn"}.get(package, package), extra, "this command")


def _console(quiet: bool) -> "Console":
    from rich.console import Console

    return Console(stderr=True, quiet=quiet)


def main() -> None:
    """Run the command; turn an error that the input made into one sentence and exit code 2."""
    try:
        app()
    except DocgraphError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            sys.stderr.close()  # the reader of our output has gone: no second error about flushing it
            sys.exit(0)
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
