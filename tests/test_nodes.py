"""Nodes of pages with labels: what is read of one, the table, the way from it to a model and back."""

import csv
import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.training import nodes as gold
from docgraph import parse_html
from docgraph.errors import DataError
from tests.training_runs import QUIET, tiny
from training import cli
from training.datasets import Record, guess_format, load
from training.datasets.nodes import LOST, UNLABELLED, is_nodes, node_record, node_rows, read_nodes, write_nodes
from training.datasets.origins import ArticleOrigin
from training.datasets.page_nodes import FIELDS, MOST_NAMES, page_nodes
from training.datasets.problem_types import SINGLE
from training.evaluate import _pairs, evaluate, predict_nodes
from training.evaluation.baselines import rivals_of_nodes
from training.evaluation.metrics import score
from training.evaluation.significance import paired_bootstrap, paired_sums, share_of_sums, sums_by_group
from training.fit import fit
from training.inputs import find_inputs
from training.learning.targets import Targets
from training.parts.choice import folds_of, residual_scale
from training.run_folder import RunFolder

PAGE = """<html><body><nav><a href="/">Home</a></nav><h1>Rain</h1>
<div class="PostMeta by-line" id="m1"><p>By Ann</p></div>
<p>It rained <a href="/x">all the week</a> long.</p><h2>Later</h2><ul><li>one</li><li><p>two</p><p>three</p></li></ul>
<img src="a.png" alt="a wet cat"><p>The end.</p></body></html>"""


def fields_of(**options: Any) -> dict[str, dict[str, str]]:
    return {node.text: dict(node.fields) for node in page_nodes(parse_html(PAGE), **options)}


def write_page(folder: Path, name: str, markup: str = PAGE) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(markup, encoding="utf-8")
    return folder / name


def write_labelled(folder: Path, pages: list[str], label: Any, **changes: str) -> Path:
    """Write nodes.csv over pages of a folder, labelled by a function of the row."""
    rows = []
    for name in pages:
        nodes = page_nodes(parse_html(folder / name), folder / name)
        rows += [{**row, "label": label(row), **changes} for row in node_rows(name, nodes)]
    write_nodes(folder / "nodes.csv", rows)
    return folder / "nodes.csv"


# -- what is read of a node ----------------------------------------------------------------------------------------


def test_a_node_has_its_words_and_what_stands_around_it(tmp_path: Path) -> None:
    file = write_page(tmp_path, "a.html")
    nodes = page_nodes(parse_html(file), file)
    assert [node.text for node in nodes] == [
        "Home", "Rain", "By Ann", "It rained all the week long.", "Later", "one", "two", "three", "The end.",
    ]  # fmt: skip
    assert [node.row for node in nodes] == sorted({node.row for node in nodes})
    by_text = {node.text: node for node in nodes}
    byline, long = dict(by_text["By Ann"].fields), dict(by_text["It rained all the week long."].fields)
    assert list(long) == [name for name in FIELDS if name in long]
    assert byline["names"].split(" . ")[:3] == ["p", "div post meta by line", "body"]
    assert byline["before"].endswith("Rain")
    assert byline["after"].startswith("paragraph length3 links4")
    assert long["place"].startswith("paragraph length3 links4 depth")
    assert (by_text["one"].headings, by_text["one"].kind) == (("Rain", "Later"), "item")
    assert by_text["By Ann"].path == "/html[1]/body[1]/div[1]/p[1]"
    assert "names" not in fields_of()["By Ann"]  # a document alone does not hold them
    assert "before" not in fields_of()["Home"]
    assert "after" not in fields_of()["The end."]


def test_the_names_of_one_element_are_read_once_and_no_farther_than_they_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Counted:
        read = 0

        def finditer(self, text: str) -> Iterator[re.Match[str]]:
            for match in re.finditer("[a-z]+", text):
                Counted.read += 1
                yield match

    monkeypatch.setattr("training.datasets.page_nodes._WORD", Counted())
    names = " ".join("ab" + chr(97 + n // 26) + chr(97 + n % 26) for n in range(600))
    file = write_page(tmp_path, "a.html", f'<body class="{names}">{"<p>word</p>" * 50}</body>')
    nodes = page_nodes(parse_html(file), file)
    assert dict(nodes[-1].fields)["names"].split(" . ")[1].split() == ["body", *names.split()[:MOST_NAMES]]
    assert Counted.read <= MOST_NAMES + 1


def test_kinds_that_are_named_are_whole_or_blocks() -> None:
    kinds = [(node.kind, node.text) for node in page_nodes(parse_html(PAGE), kinds=["item", "list", "image"])]
    assert kinds == [("list", "one two three"), ("item", "one"), ("image", "a wet cat")]
    whole = fields_of(kinds=["list"])["one two three"]
    assert whole["before"].endswith("Later")
    assert whole["after"].endswith("The end.")


# -- the table -----------------------------------------------------------------------------------------------------


def test_labelled_rows_are_found_again_and_others_are_counted(tmp_path: Path) -> None:
    """In its row, at its path, by its text; what is nowhere is named, and an empty label is no class."""
    write_page(tmp_path, "a.html")
    table = write_labelled(tmp_path, ["a.html"], lambda row: "" if row["text"] == "Home" else row["kind"])
    rows = list(csv.DictReader(table.open()))
    rows[2]["row"] = "999"  # the path tells
    rows[3]["row"], rows[3]["path"] = "999", "/html[1]/body[1]/main[1]"  # the text tells
    rows[4]["text"] = "Sooner"  # another text than the page's
    rows[5] |= {"path": "/html[1]/p[7]", "text": "gone"}  # nowhere
    rows[6]["document"] = "b.html"  # no such page
    write_nodes(table, rows)
    corpus = load(table)
    assert guess_format(table) == "nodes"
    assert [(one.id.split("#")[0], one.label) for one in corpus.records()] == [
        ("a.html", label) for label in ("heading", "paragraph", "paragraph", "paragraph", "paragraph")
    ]
    lost = [one for one in corpus.problems if one.code == LOST]
    assert [one.record.split("#")[0] for one in lost] == ["a.html", "a.html", "b.html"]
    assert "says 'Later', but the table 'Sooner'" in lost[0].message
    assert "no node at /html[1]/p[7]" in lost[1].message
    assert [one.message for one in corpus.problems if one.code == UNLABELLED] == [
        "1 of 9 rows have no label and are not learned from."
    ]
    assert corpus.node_kinds == ("heading", "item", "paragraph")


def test_a_table_of_documents_is_no_table_of_nodes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("document,path,label\nIt rained.,a.png,x\n")
    (tmp_path / "b.csv").write_text("text,row,label\nIt rained.,1,x\n")
    assert not is_nodes(tmp_path / "a.csv")
    assert not is_nodes(tmp_path / "b.csv")


def test_other_tables_with_a_document_are_no_tables_of_nodes(tmp_path: Path) -> None:
    """Of nodes is one whose first document is there, or that has the columns row, path and kind."""
    table = tmp_path / "a.csv"
    for head, cells in (("row", "1"), ("path", "/data/1.png")):
        table.write_text(f"{head},document,label\n{cells},It rained.,x\n")
        assert guess_format(table) == "table"
        table.write_text(f"{head},document,label\n{cells},a.html,x\n")
        assert not is_nodes(table)
        write_page(tmp_path / "pages", "a.html")
        assert guess_format(table, {"pages": tmp_path / "pages"}) == "nodes"
    table.write_text("row,path,kind,document,label\n1,,,a.html,x\n")
    assert is_nodes(table)


def test_a_document_that_is_no_file_is_named(tmp_path: Path) -> None:
    write_page(tmp_path, "a.html")
    (tmp_path / "folder").mkdir()
    table = write_labelled(tmp_path, ["a.html"], lambda row: row["kind"])
    rows = list(csv.DictReader(table.open()))
    for row, name in zip(rows, ("", "folder", "x" * 5000), strict=False):
        row["document"] = name
    write_nodes(table, rows)
    corpus = load(table)
    assert len(corpus.records()) == 6
    lost = [one.message for one in corpus.problems if one.code == LOST]
    assert [said.partition(" is no file")[0].partition("but ")[2] for said in lost] == [
        repr(name) for name in ("", "folder", "x" * 60)
    ]


def test_a_long_text_that_is_cut_at_a_space_is_found(tmp_path: Path) -> None:
    words = "a" * 999 + " and more"
    write_page(tmp_path, "a.html", f"<body><p>{words}</p><p>short</p></body>")
    corpus = load(write_labelled(tmp_path, ["a.html"], lambda row: row["kind"]))
    assert (len(corpus.records()), list(corpus.problems)) == (2, [])


def test_kinds_are_those_of_the_nodes_where_the_table_has_none(tmp_path: Path) -> None:
    write_page(tmp_path, "a.html")
    table = write_labelled(tmp_path, ["a.html"], lambda row: "" if row["kind"] == "item" else row["kind"])
    rows = [{name: row[name] for name in row if name != "kind"} for row in csv.DictReader(table.open())]
    write_nodes(table, rows)
    assert load(table).node_kinds == ("heading", "paragraph")


def test_a_page_or_group_is_in_one_split_alone(tmp_path: Path) -> None:
    names = [f"{n}.html" for n in range(12)]
    for name in names:
        write_page(tmp_path, name)
    corpus = load(write_labelled(tmp_path, names, lambda row: row["kind"]))
    by_split = [{record.group for record in some} for some in corpus.splits.values()]
    assert [len(some) for some in by_split] == [10, 1, 1]
    assert len(set.union(*by_split)) == 12
    grouped = load(write_labelled(tmp_path, names, lambda row: row["kind"], group="one site"))
    assert [len(some) for some in grouped.splits.values()] == [12 * 9, 0, 0]
    given = load(write_labelled(tmp_path, names, lambda row: row["kind"], split="test"))
    assert {name: len(some) for name, some in given.splits.items() if some} == {"test": 12 * 9}


def test_pages_are_looked_for_where_one_says(tmp_path: Path) -> None:
    write_page(tmp_path / "pages", "a.html")
    table = write_labelled(tmp_path / "pages", ["a.html"], lambda row: row["kind"]).rename(tmp_path / "moved.csv")
    with pytest.raises(DataError, match=r"none is, such as a.html#.* --pages FOLDER says"):
        load(table)
    assert len(read_nodes(table, pages=tmp_path / "pages").records()) == 9
    assert [one.path for one in find_inputs([table])] == [tmp_path / "a.html"]


def test_a_table_may_be_json_or_not_utf_8(tmp_path: Path) -> None:
    write_page(tmp_path, "a.html")
    table = write_labelled(tmp_path, ["a.html"], lambda row: "übrig" if row["text"] == "one" else row["kind"])
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    (tmp_path / "list.json").write_text(json.dumps([{**row, "row": int(row["row"])} for row in rows]))
    assert load(tmp_path / "list.json").labels == load(table).labels == ("heading", "paragraph", "übrig")
    table.write_text(table.read_text(encoding="utf-8"), encoding="cp1252")
    corpus = load(table)
    assert "übrig" in corpus.labels
    assert corpus.problem_counts["file.encoding"] == 1


def test_a_table_without_a_label_says_so(tmp_path: Path) -> None:
    write_page(tmp_path, "a.html")
    with pytest.raises(DataError, match="in none of its 9 rows label is filled"):
        load(write_labelled(tmp_path, ["a.html"], lambda row: ""))


# -- nodes of one page depend on each other ------------------------------------------------------------------------


def test_folds_keep_groups_together() -> None:
    group = np.repeat(np.arange(10), 7)
    targets = Targets.of_classes(np.arange(70) % 3, 3)
    grouped = Targets(targets.kind, targets.values, 3, group=group)
    for fitted, held in folds_of(grouped):
        assert not set(group[fitted]) & set(group[held])
        assert len(set(group[held])) == 2
    assert any(set(group[fitted]) & set(group[held]) for fitted, held in folds_of(targets))


@pytest.mark.parametrize("times", [1, 2])
def test_folds_of_few_records_a_label_keep_groups_together(times: int) -> None:
    group = np.arange(6 * times) % 6
    targets = Targets(SINGLE, np.arange(6 * times) // times, 6, group=group)
    folds = folds_of(targets)
    assert sorted(row for _, held in folds for row in held) == list(range(6 * times))
    assert not any(set(group[fitted]) & set(group[held]) for fitted, held in folds)


def test_what_one_page_gains_is_one_observation() -> None:
    """200 nodes of 2 pages, one of which gains a little and the other a lot: records seem sure, pages are not."""
    target, base = torch.zeros(200, dtype=torch.int64), torch.zeros(200, 2)
    gain = torch.zeros(200, 2)
    gain[100:, 0] = 3.0
    gain[:100, 1] = 0.5
    alone = Targets.of_classes(target, 2)
    assert residual_scale(base, gain, alone) > 0
    grouped = Targets(alone.kind, alone.values, 2, group=np.repeat([0, 1], 100))
    assert residual_scale(base, gain, grouped) == 0
    single = Targets(alone.kind, alone.values, 2, group=np.arange(200))
    assert residual_scale(base, gain, single) == pytest.approx(residual_scale(base, gain, alone))


def test_copies_of_a_page_make_no_interval_smaller() -> None:
    draw = np.random.default_rng(0)
    one, other = draw.random(60) < 0.7, draw.random(60) < 0.6
    times, groups = np.repeat(np.arange(60), 20), [str(n) for n in np.repeat(np.arange(60), 20)]
    few = paired_bootstrap(one[None], other[None])
    many = paired_sums(sums_by_group(one[times], groups), sums_by_group(other[times], groups), share_of_sums)
    assert (many.value, many.low) == pytest.approx((few.value, few.low), abs=0.02)
    said = torch.eye(2)[torch.from_numpy(one.astype(np.int64))]
    target = torch.ones(60, dtype=torch.int64)
    alone = score("", said, target, ["a", "b"]).standard_error
    copied = score("", said[times], target[times], ["a", "b"], groups).standard_error
    assert copied == pytest.approx(alone, rel=0.02)
    assert score("", said[times], target[times], ["a", "b"]).standard_error < alone / 4


def test_too_few_pages_tell_nothing() -> None:
    said = torch.eye(2)[torch.tensor([1, 1, 1, 0] * 5)]
    target = torch.ones(20, dtype=torch.int64)
    for count, is_told in ((1, False), (4, False), (5, True)):
        groups = [str(number % count) for number in range(20)]
        (pair,) = _pairs(torch.eye(2)[target], {"rival": 1 - torch.eye(2)[target]}, target, groups)
        assert (pair.value, pair.significant, pair.p < 1) == (1, is_told, is_told)
        assert np.isnan(score("", said, target, ["a", "b"], groups).standard_error) == (count == 1)


# -- training and back ---------------------------------------------------------------------------------------------


def make_site(folder: Path, pages: int = 24) -> Path:
    """Write pages whose paragraphs are of words that say nothing: the class name or the paragraph before tells."""
    draw, names = random.Random(0), [f"{n}.html" for n in range(pages)]
    labels: dict[str, dict[str, str]] = {}
    for name in names:
        parts, last = [], ""
        labels[name] = {}
        for _ in range(6):
            text = " ".join(draw.choices("sun rain wind snow fog cloud".split(), k=6))
            label = draw.choice(["teaser", "body"]) if not last else "note" if "Attention" in last else "body"
            css = {"teaser": "intro-box", "body": "x", "note": "x"}[label]
            last = draw.choice(["Attention please.", "As usual then."])
            parts.append(f'<div class="{css}"><p>{text}</p></div><p>{last}</p>')
            labels[name][text] = label
        write_page(folder, name, f"<body>{''.join(parts)}</body>")
    split = {name: "test" if n < 6 else "dev" if n < 9 else "train" for n, name in enumerate(names)}
    table = write_labelled(folder, names, lambda row: labels[row["document"]].get(row["text"], ""))
    write_nodes(table, [{**row, "split": split[row["document"]]} for row in csv.DictReader(table.open())])
    return table


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("nodes")
    table = make_site(folder / "pages")
    parts = {"stack": True, "epochs": 1, "model.regression_ngrams": 2, "model.regression_buckets": 4096}
    fit(tiny(table, folder / "run", **parts), QUIET)
    return folder / "run", table


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["docgraph", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    code = stop.value.code
    return code if isinstance(code, int) else 0


def test_what_stands_around_a_node_tells_its_label(trained: tuple[Path, Path]) -> None:
    """A rival on a node's own words cannot; one that reads the surroundings is there, too, and not beaten by little."""
    folder = RunFolder(trained[0])
    model, corpus = folder.model(), folder.corpus(trained[1])
    assert model.config.node_kinds == ["paragraph"]
    found = evaluate(model, corpus, "test")
    accuracy = {one.name: one.accuracy for one in (found.scores, *found.baselines)}
    assert accuracy["this model"] > 0.85
    assert accuracy["TF-IDF + logistic regression"] < 0.75
    assert accuracy["TF-IDF + logistic regression, with surroundings"] > 0.75
    assert len(found.pairs) == len(found.baselines) - 1
    assert any("over 6 pages or groups" in note for note in found.notes)


def test_a_page_is_predicted_node_by_node_and_as_a_table(
    trained: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, table = trained
    page = table.parent / "0.html"
    said = predict_nodes(RunFolder(run).model(), page)
    assert [one.node.row for one in said if one.node] == [node.row for node in page_nodes(parse_html(page))]
    assert command(monkeypatch, "predict", run, page, "--json", "--evidence", 1) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["predicted"], one["row"]) for one in lines] == [
        (one.predicted, one.node.row) for one in said if one.node
    ]
    assert {part["field"] for one in lines for part in one["evidence"]} <= set(FIELDS)
    assert command(monkeypatch, "predict", run, table.parent / "1.html", page, "--output", tmp_path / "again.csv") == 0
    rows = list(csv.DictReader((tmp_path / "again.csv").open()))
    assert [row["label"] for row in rows[12:]] == [one.predicted for one in said]
    assert sum(float(rows[0][name]) for name in rows[0] if name.startswith("p_")) == pytest.approx(1, abs=1e-3)
    assert len(load(tmp_path / "again.csv").records()) == 24  # to be corrected, and learned from
    assert command(monkeypatch, "nodes", page, "--output", tmp_path / "nodes.csv") == 0
    assert [row["text"] for row in csv.DictReader((tmp_path / "nodes.csv").open())] == [
        row["text"] for row in rows[12:]
    ]
    assert command(monkeypatch, "evaluate", run, "--no-baselines") == 0
    assert "macro-F1" in capsys.readouterr().out


def test_a_model_of_nodes_says_how_it_is_used_and_no_class_of_a_page(
    trained: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, table = trained
    assert 'predict_nodes(model, "page.html")' in (run / "README.md").read_text()
    page = table.parent / "0.html"
    assert command(monkeypatch, "view", page, "--model", run, "--output", tmp_path / "view.html") == 2
    assert "labels their parts" in capsys.readouterr().err
    (tmp_path / "a.html").write_text("<body><ul><li>only an item</li></ul></body>")
    assert command(monkeypatch, "predict", run, tmp_path / "a.html", "--output", tmp_path / "a.jsonl") == 2
    assert "must have nodes of the kinds that are labelled (paragraph)" in capsys.readouterr().err


def test_rivals_read_the_own_words_or_the_marked_surroundings() -> None:
    """The label is the word of the block before: own words that say the contrary do not hide it."""

    def record(number: int) -> Record:
        label = "ab"[number % 2]
        other = "ba"[(number // 2) % 2]
        fields = (("text", f"word{other}"), ("before", f"word{label}"))
        return Record(str(number), label, ArticleOrigin(fields), ("text", "before"), 10, group=str(number))

    records = [record(number) for number in range(40)]
    found = rivals_of_nodes(records[:20], records[20:], ["a", "b"])
    target = torch.tensor([number % 2 for number in range(20, 40)])
    right = {name: float((said.argmax(1) == target).double().mean()) for name, said in found.items()}
    assert right["TF-IDF + logistic regression"] == 0.5
    assert right["TF-IDF + logistic regression, with surroundings"] == 1
    assert right["NB-weighted logistic regression, with surroundings"] == 1


def test_a_node_without_text_is_a_record_all_the_same() -> None:
    (image,) = page_nodes(parse_html('<body><img src="a.png"></body>'), kinds=["image"])
    record = node_record("a", image, fields=["text", "place"])
    assert record.fields == ("text", "place")
    assert record.document().text.startswith("image")


# -- on pages whose main text is known ------------------------------------------------------------------------------


def test_on_gold_pages_it_is_not_below_simple_rivals(shared_data: Path, tmp_path: Path) -> None:
    """Main text or not, every eighth page of html_gold, sites apart: the whole is benchmarks/training/nodes.py."""
    rows = gold.write_pages("main text", shared_data, tmp_path, every=8)
    sites = sorted({row["group"] for row in rows})
    split = {site: "test" if n % 3 == 0 else "dev" if n % 7 == 1 else "train" for n, site in enumerate(sites)}
    write_nodes(tmp_path / "nodes.csv", [{**row, "split": split[row["group"]]} for row in rows])
    parts = {"stack": True, "epochs": 1, "model.regression_ngrams": 2, "fields": gold.SETTINGS["fields"]}
    run = fit(tiny(tmp_path / "nodes.csv", tmp_path / "run", vocab_size=2000, **parts), QUIET)
    found = evaluate(run.model, run.corpus, "test")
    assert found.scores.accuracy > found.baselines[0].accuracy + 0.1
    assert not [pair.other for pair in found.pairs if pair.significant and pair.value < 0]
