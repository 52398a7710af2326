"""`docgraph data`: what is read of a data set, before anything is trained on it."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from training.cli.options import Format, Image, Label, Pages, Text, column_options, page_options

if TYPE_CHECKING:
    from training.datasets.describe import DataFacts

EXAMPLES: Final = """\
  docgraph data sample_data/news
  docgraph data reviews.csv --text review --label stars --records 5
  docgraph data reviews.csv --json
"""
LABELS: Final = 20
"""Labels that are printed; --json has all."""


def run(
    data: Annotated[str, typer.Argument(metavar="DATA", help="Data set: a folder, a file, or owner/name on the hub.")],
    format: Format = "auto",
    text: Text = None,
    image: Image = None,
    label: Label = None,
    pages: Pages = None,
    records: Annotated[int, typer.Option(min=0, help="Records to show.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Show what is read of a data set.

    Format, records, fields, labels, splits, images, problems, and a few records.
    """
    from training.datasets.describe import describe
    from training.datasets.load import format_of, load

    options = {**column_options(text, image, label), **page_options(pages)}
    name = format_of(data, format, options)
    facts = describe(load(data, name, **options), data, name, records)
    print(json.dumps(asdict(facts), ensure_ascii=False, indent=1) if as_json else "\n".join(lines_of(facts)))


def lines_of(facts: "DataFacts") -> list[str]:
    """Return what is known of a data set as lines for a terminal."""
    splits = ", ".join(f"{count:,} {name}" for name, count in facts.splits.items())
    lines = [
        f"{facts.path}: {facts.records:,} records, read as {facts.format}",
        f"splits    {splits} ({'as given' if facts.is_given else 'drawn at random'})",
    ]
    if facts.columns:
        read = [f"{column} -> {name}" for column, name in facts.columns.items() if name]
        left = [column for column, name in facts.columns.items() if not name]
        lines.append(f"columns   {', '.join(read)}")
        lines += [f"not read  {', '.join(left)}"] if left else []
    lines += [
        f"field     {name}: {one.records:,} records, {one.median:,} characters at the median, {one.longest:,} at most"
        for name, one in facts.fields.items()
    ]
    lines.append(f"images    {facts.images:,} records with one")
    some = [f"{label} {sum(counts.values()):,}" for label, counts in list(facts.labels.items())[:LABELS]]
    more = f", and {len(facts.labels) - LABELS} more" if len(facts.labels) > LABELS else ""
    lines.append(f"labels    {len(facts.labels)}{': ' if some else ''}{', '.join(some)}{more}")
    lines += [
        f"problem   {code}: {one['count']:,}, such as {one['record']}: {one['message']}"
        for code, one in facts.problems.items()
    ] or ["problems  none"]
    for one in facts.examples:
        lines += ["", f"{one['id']}  [{one['label']}]"]
        lines += [f"  {name}: {value}" for name, value in one.items() if name not in ("id", "label")]
    return lines
