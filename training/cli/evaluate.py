"""`docgraph evaluate`: a trained model on a data set, beside simple rivals."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from docgraph.errors import DataError
from training.cli.options import Baselines, Format, ModelFolder, Quiet, Split, need

EXAMPLES: Final = """\
  docgraph evaluate runs/news
  docgraph evaluate runs/news --data more.csv
  docgraph evaluate runs/news --data sample_data/news --split dev --no-baselines --report report.html
  docgraph evaluate runs/news --data sample_data/news --report report.html --views 20
"""


def run(
    folder: ModelFolder,
    data: Annotated[Path | None, typer.Option(help="Data set: a folder or file; the run's own if not given.")] = None,
    split: Split = "test",
    format: Format = "auto",
    report: Annotated[
        Path | None, typer.Option(help="Report to write: .html, .json or .md; the confusion matrix goes beside it.")
    ] = None,
    views: Annotated[
        int, typer.Option(min=0, help="With --report X.html: how many of the surest mistakes get a page to look at.")
    ] = 0,
    baselines: Baselines = True,
    quiet: Quiet = False,
) -> None:
    """Score a trained model beside simple rivals.

    The rivals are the majority class and regressions on words and on MiniLM's vectors, trained on the same records.
    """
    need("train", "torch", "torchmetrics", "sklearn", *(["matplotlib"] if report else []))
    from encoders.cache import FeatureCache
    from training.config import TrainingConfig
    from training.datasets.problem_types import MULTI, REGRESSION
    from training.evaluate import evaluate
    from training.evaluation.card import note
    from training.evaluation.evaluate_targets import TARGET_SUFFIXES, evaluate_targets, write_targets
    from training.evaluation.report import SUFFIXES, print_evaluation, write_report
    from training.evaluation.report_figures import confusion_png
    from training.evaluation.views import write_views
    from training.run_folder import RunFolder, learned_splits

    if views and (report is None or report.suffix != ".html"):
        raise DataError("--views must stand beside --report FILE.html, whose mistakes it links.")
    trained = RunFolder(folder)
    model = trained.model()
    if views and model.config.problem_type in (MULTI, REGRESSION):
        raise DataError(
            f"--views must stand beside a model of one class a document, but {folder} is of type "
            f"{model.config.problem_type}: leave it out."
        )
    if report is not None:
        kinds = TARGET_SUFFIXES if model.config.problem_type in (MULTI, REGRESSION) else SUFFIXES
        if report.suffix not in kinds:
            raise DataError(
                f"a report on this model ({model.config.problem_type}) must end in {', '.join(kinds)}, "
                f"but is {report.name!r}."
            )
    config = trained.config or TrainingConfig()
    if data is None and not config.data:
        raise DataError(f"--data must name a data set, as {folder} does not say what it was trained on.")
    corpus = trained.corpus(data or config.data, format)
    options: dict[str, Any] = {
        "name": str(folder),
        "with_baselines": baselines,
        "learned": learned_splits(config, corpus),
        "notes": trained.scores.get("parts", ()) if trained.is_finished else (),
        "cache": FeatureCache(trained.file(config.feature_cache)),
        "show_progress_bar": not quiet,
    }
    if model.config.problem_type in (MULTI, REGRESSION):
        found = evaluate_targets(model, corpus, split, **options)
        print(found.to_markdown())
        if report is not None:
            print(f"report in {write_targets(report, found)}")
        return
    history = trained.scores.get("history", ()) if trained.is_finished else ()
    evaluation = evaluate(model, corpus, split, history=history, **options)
    print_evaluation(evaluation)
    note(trained, evaluation.data, evaluation.split, evaluation.scores, *evaluation.baselines)
    if report is not None:
        pages = None
        if views:
            records = [*corpus[evaluation.split]]
            pages = write_views(report.with_name(f"{report.stem}_views"), model, records, evaluation, views)
        print(f"report in {write_report(report, evaluation, pages)}")
        print(f"confusion matrix in {confusion_png(report.with_suffix('.png'), evaluation.scores)}")
