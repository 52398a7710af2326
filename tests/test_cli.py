"""The command: what it loads, what it prints, its exit codes, and the whole way from a table to vectors."""

import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import networkx
import numpy as np
import pytest
import typer
import yaml
from rich.console import Console

import docgraph
from docgraph import Document, read_many
from docgraph.bulk.shards import Shards
from docgraph.errors import DataError, DocgraphError
from docgraph.index import Hit
from docgraph.index.show import print_hits
from encoders.embedder.embedder import Embedder
from encoders.embedder.runs import RunReader
from tests.tiny_encoders import save_bert
from training import cli
from training.config import make_config
from training.inputs import Input, SetAside, find_inputs
from training.jobs.embed import embed
from training.jobs.shards import read_vectors, vector_shards
from training.recipes import RECIPES, recipe
from training.run_folder import RunFolder

Run = Callable[..., int]


@pytest.fixture
def run(monkeypatch, tmp_path) -> Run:
    """Call `docgraph ARGUMENTS` in this process, in a folder of its own; gives the exit code."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["docgraph", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return stop.value.code or 0

    return call


@pytest.mark.parametrize(
    "command",
    [("parse", "a.md", "--format", "markdown"), ("chunk", "a.md"), ("predict", "a.md", "./a.md"), ("nodes", "a.md")],
)
def test_what_is_read_is_not_written_over(run, capsys, command):
    Path("sub").mkdir()
    Path("a.md").write_text("# Bread\n\nIt was warm.\n")
    assert run(*command, "--output", "sub/../a.md") == 2
    assert "--output must be a file of its own, but sub/../a.md is what is read" in capsys.readouterr().err
    assert Path("a.md").read_text() == "# Bread\n\nIt was warm.\n"


def test_a_table_of_nodes_that_somebody_has_labelled_is_not_written_over(run, capsys):
    Path("a.html").write_text("<p>It rained.<p>The bread was warm.")
    assert run("nodes", "a.html", "--output", "nodes.csv") == 0
    table = Path("nodes.csv").read_text()
    assert run("nodes", "a.html", "--output", "nodes.csv") == 0
    labelled = table.replace(",\n", ",weather\n", 1)
    assert labelled != table
    Path("nodes.csv").write_text(labelled)
    assert run("nodes", "a.html", "--output", "nodes.csv") == 2
    assert "--output must hold no labels yet, but nodes.csv does" in capsys.readouterr().err
    assert Path("nodes.csv").read_text() == labelled


def test_vectors_and_search_read_the_columns_that_are_named(run, capsys):
    Path("a.csv").write_text("id,talk,points\na,It rained.,1\nb,The bread was warm.,5\n", encoding="utf-8")
    assert run("chunk", "a.csv", "--output", "c.jsonl") == 2
    assert "talk" in capsys.readouterr().err
    assert run("chunk", "a.csv", "--text", "talk", "--output", "c.jsonl") == 0
    assert [json.loads(line)["text"] for line in Path("c.jsonl").read_text().splitlines()] == [
        "It rained.",
        "The bread was warm.",
    ]
    assert run("index", "a.csv", "--text", "talk", "--output", "a.index", "--words") == 0
    capsys.readouterr()
    assert run("search", "a.index", "bread", "--json") == 0
    assert [hit["document_id"] for hit in map(json.loads, capsys.readouterr().out.splitlines())] == ["b"]


def test_neither_a_page_nor_its_name_steers_the_terminal(run, capsys):
    Path("odd").mkdir()
    Path("odd/a\x1b]0;name\x07.html").write_text("<h1>Red \x1b[31mhead</h1><p>Bell \x07, a wide pot \x9b2J here.</p>")
    Path("odd/b\n.html").write_text("<p>Second pot.</p>")
    assert run("index", "odd", "odd/c\x1b[2J.html", "--output", "a.index", "--words") == 1
    assert run("search", "a.index", "pot") == 0
    said = "".join(capsys.readouterr())
    assert not {letter for letter in said if letter < " " or "\x7f" <= letter < "\xa0"} - {"\n"}
    assert "Bell" in said
    assert "odd/b%0A.html" in said


def test_the_words_of_a_question_are_marked_where_they_stand_also_behind_control_characters():
    told = dict.fromkeys(("parent", "title", "url", "dom_path"))
    names = {"document_id": "a", "id": "b", "level": "passage", "kind": "paragraph", "headings": ()}
    hit = Hit(score=1.0, text="a bell \x07\n and a pot", span=(0, 19), marks=((16, 19),), **names, **told)
    console = Console(color_system="standard", force_terminal=True, file=(file := io.StringIO()))
    print_hits(console, [hit])
    assert "\x1b[1;33mpot\x1b[0m" in file.getvalue()


def test_a_document_without_words_is_counted_too(run, capsys):
    Path("pages").mkdir()
    Path("pages/empty.html").write_text("")
    Path("pages/full.html").write_text("<p>Words.")
    assert run("index", "pages", "--output", "a.index", "--words") == 0
    assert "2 documents written" in (said := capsys.readouterr().out)
    assert "now 2 documents (1 without words)" in said


def test_a_file_that_is_no_text_is_set_aside_whatever_its_name_says(run, capsys):
    """Else a PDF would be indexed as some thousand odd letters."""
    Path("pages").mkdir()
    for number, data in enumerate(
        (b"%PDF-1.4\n%\xe2\xe3\n1 0 obj", b"PK\x03\x04\0\0", b"\x89PNG\r\n\x1a\n", b"\x1f\x8b\x08")
    ):
        Path(f"pages/{number}{('.html', '.htm', '.xhtml', '.html')[number]}").write_bytes(data)
    Path("pages/text.html").write_text("<p>GIF is a format. So is %PDF-1.4.")
    assert run("index", "pages", "--output", "a.index", "--words") == 1
    said = capsys.readouterr()
    assert "1 documents written" in said.out
    assert "pages/0.html: a page must be text, but 0.html is a PDF by its first bytes." in said.err
    assert len(Path("errors.jsonl").read_text().splitlines()) == 4
    Path("b.txt").write_bytes(b"%PDF-1.4")
    with pytest.raises(docgraph.ParseError, match=r"but b.txt is a PDF"):
        docgraph.load_document("b.txt")


def test_documents_of_an_index_that_are_not_given_again_are_named(run, capsys):
    """So that a folder that was moved, or a page that was renamed, does not stand twice in the index unseen."""
    Path("pages").mkdir()
    for name in ("a", "b"):
        Path(f"pages/{name}.html").write_text(f"<p>Page {name}.")
    assert run("index", "pages", "--output", "x.index", "--words") == 0
    assert "not among PATHS" not in capsys.readouterr().err
    Path("pages/b.html").rename("pages/c.html")
    assert run("index", "pages", "--output", "x.index", "--words") == 0
    said = capsys.readouterr()
    assert "in the index, but not among PATHS: 1 .html (pages/b.html); --prune takes them out" in said.err
    assert "1 documents written, 1 unchanged, 0 taken out" in said.out
    assert run("index", "pages", "--output", "x.index", "--words", "--prune") == 0
    said = capsys.readouterr()
    assert "0 documents written, 2 unchanged, 1 taken out" in said.out
    assert "not among PATHS" not in said.err


def test_a_pipe_is_no_document_and_nobody_waits_for_it(run, capsys):
    os.mkfifo("pipe.html")
    assert run("parse", "pipe.html") == 2
    assert "pipe.html is a pipe or a device" in capsys.readouterr().err


def test_files_whose_names_are_no_utf8_are_records_with_readable_ids(run, capsys):
    Path("a").mkdir()
    for number in range(10):
        Path(os.fsdecode(b"a/%d\xff.html" % number)).write_text(f"<p>Text {number}.")
    assert run("data", ".", "--json") == 0
    assert "0%FF.html" in capsys.readouterr().out


# -- what is loaded --------------------------------------------------------------------------------------------


HEAVY = {"torch", "transformers", "timm", "sklearn", "scipy", "matplotlib", "numba"}
LOADED = (
    "import sys; from training import cli; sys.argv = ['docgraph', *{arguments!r}]\n"
    "try: cli.main()\nexcept SystemExit: pass\n"
    "print(*{{name.partition('.')[0] for name in sys.modules}}, file=sys.stderr)"
)


def loaded_by(*arguments: object) -> set[str]:
    """Packages that are loaded once `docgraph ARGUMENTS` has run in a process of its own."""
    code = LOADED.format(arguments=list(map(str, arguments)))
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr.split())


def test_help_loads_nothing_that_takes_long_and_parsing_no_torch(sample_data):
    page = next((sample_data / "pages").glob("*.html"))
    assert not loaded_by("--help") & (HEAVY | {"numpy", "turbohtml", "PIL", "yaml", "networkx"})
    assert not loaded_by("train", "--help") & (HEAVY | {"numpy", "turbohtml", "PIL", "yaml", "networkx"})
    parsing = loaded_by("parse", page, "--format", "json")
    assert "numpy" in parsing
    assert not parsing & HEAVY


# -- the front door --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_example_in_a_verbs_help_is_taken_by_it(run, capsys, verb):
    assert run(verb, "--help") == 0
    lines = capsys.readouterr().out.split("Examples:\n")[1].splitlines()
    examples = [one.strip() for line in lines for one in line.split(";") if one.strip().startswith(f"docgraph {verb}")]
    command = typer.main.get_command(cli.app).commands[verb]
    assert examples
    for example in examples:
        command.make_context(verb, shlex.split(example.partition(" > ")[0])[2:])


def test_the_version_is_that_of_the_package(run, capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"docgraph {docgraph.__version__}\n"


def test_the_shell_completes_verbs():
    asked = {"_DOCGRAPH_COMPLETE": "complete_bash", "COMP_WORDS": "docgraph e", "COMP_CWORD": "1"}
    code = "import sys; sys.argv = ['docgraph']; from training.cli import main; main()"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | asked).stdout
    assert said.split() == ["evaluate", "embed"]


def test_every_recipe_is_listed_with_what_it_is_for_and_one_is_to_be_taken_first(run, capsys):
    assert run("recipes") == 0
    said = capsys.readouterr().out.splitlines()
    for name in RECIPES:
        (line,) = (line for line in said if line.startswith(f"{name} "))
        assert len(line.split()) > 4
    assert "Take none first" in said[-2]
    assert run("recipes", "news-scratch") == 0
    assert make_config(yaml.safe_load(capsys.readouterr().out)) == recipe("news-scratch")


def test_what_is_not_installed_is_one_sentence_with_the_extra_and_exit_code_2(run, capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "torchmetrics", None)
        assert run("train", "--recipe", "news-scratch", "--data", ".", "--output", "x") == 2
    assert capsys.readouterr().err == (
        "error: this command needs torchmetrics, which the extra 'train' brings: pip install \"docgraph[train]\".\n"
    )
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pyarrow", None)
        assert run("embed", "model", "x.html", "--output", "v.parquet") == 2
    assert capsys.readouterr().err.endswith(
        "needs pyarrow, which the extra 'parquet' brings: pip install \"docgraph[parquet]\".\n"
    )

    def lacks(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(cli, "app", lambda: lacks("timm.layers"))
    assert run() == 2
    assert "needs timm, which the extra 'models' brings" in capsys.readouterr().err
    monkeypatch.setattr(cli, "app", lambda: lacks("training.nothing"))
    with pytest.raises(ModuleNotFoundError, match="nothing"):
        cli.main()


# -- parse -----------------------------------------------------------------------------------------------------


def test_parse_prints_what_the_library_gives(run, capsys, sample_data):
    page = sample_data / "pages" / "m00077.html"
    assert run("parse", page) == 0
    assert capsys.readouterr().out.startswith("page ")
    assert run("parse", page, "--format", "json") == 0
    document = Document.from_json(capsys.readouterr().out)
    assert document.metadata.title == "Symbolic and Sacred Space"
    assert run("parse", page, "--format", "markdown", "--output", "sub/page.md") == 0
    assert Path("sub/page.md").read_text() == document.to_markdown().rstrip("\n") + "\n"
    assert run("parse", page, "--format", "networkx") == 0
    graph = networkx.node_link_graph(json.loads(capsys.readouterr().out), edges="edges")
    assert len(graph) == len(document)


def test_parse_reads_a_folder_as_a_site(run, capsys, sample_data):
    assert run("parse", sample_data / "pages", "--max-nodes", "3") == 0
    assert capsys.readouterr().out.startswith("site ")


@pytest.mark.parametrize("name", ["docs.jsonl", "docs.parquet"])
def test_parse_writes_every_page_of_a_folder_and_goes_on_where_it_was(run, capsys, sample_data, name):
    pages = sorted((sample_data / "pages").glob("*.html"))
    shutil.copytree(sample_data / "pages", "in")
    Path("in/broken.html").symlink_to("nowhere.html")
    Path("in/zz.html").mkdir()
    assert run("parse", "in", "--output", name, "--workers", 1, "--quiet") == 0
    assert f"{len(pages)} documents written" in capsys.readouterr().out
    Path("in/one more.html").write_text("<p>One more.", "utf-8")
    assert run("parse", "in", "--output", name, "--workers", 1) == 0
    assert (
        f"{name}: 1 documents written (0 cut at a bound), {len(pages)} there already, 0 failed"
        in capsys.readouterr().out
    )
    documents = dict(read_many(name))
    assert documents["one more.html"].text == "One more."
    assert len(documents) == len(pages) + 1
    assert run("parse", "in", "absent", "--output", name) == 2


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(run, capsys, sample_data):
    page = sample_data / "pages" / "m00077.html"
    Path("word.docx").write_bytes(b"PK")
    assert run("parse", "absent.html", page, "word.docx", "--output", "out/tree.txt") == 1
    said = capsys.readouterr().err
    noted = [json.loads(line) for line in Path("out/errors.jsonl").read_text().splitlines()]
    assert [one["input"] for one in noted] == ["absent.html", "word.docx"]
    assert all(one["message"] in said for one in noted)
    assert Path("out/tree.txt").read_text().startswith("page ")
    assert run("parse", "absent.html") == 2


def test_a_page_has_the_address_that_it_is_given_and_none_is_fetched_unasked(run, capsys):
    Path("a.html").write_text("<h1>T</h1><p>Words of <a href=b>it</a>.", "utf-8")
    assert run("parse", "a.html", "--url", "https://e.example/a/", "--format", "markdown") == 0
    assert "(https://e.example/a/b)" in capsys.readouterr().out
    assert run("parse", "https://e.example/a") == 2
    assert "must be a file or folder unless --fetch is given" in capsys.readouterr().err
    Path("urls.csv").write_text("path,url\na.html,https://e.example/a/\n", "utf-8")
    assert run("parse", "a.html", "--output", "d.jsonl", "--urls", "urls.csv", "--workers", 1, "--quiet") == 0
    assert [document.metadata.url for _, document in read_many("d.jsonl")] == ["https://e.example/a/"]
    assert run("parse", "a.html", "a.html", "--url", "https://e.example/") == 2
    assert run("parse", ".", "--output", "e.jsonl", "--url", "https://e.example/", "--workers", 1, "--quiet") == 2
    assert not Path("e.jsonl").exists()


def test_wrong_usage_is_one_sentence_and_exit_code_2(run, capsys):
    for arguments, message in (
        (("train",), "training needs a CONFIG.yaml, or --recipe NAME"),
        (("train", "absent.yaml"), "must be a YAML file"),
        (
            ("train", "--recipe", "nothing", "--data", ".", "--output", "x"),
            "a recipe must be one of elec-fsa",
        ),
        (("evaluate", ".", "--data", "."), "a model must lie in a folder with config.json"),
        (("predict", "absent", "x.html"), "a model must lie in a folder with config.json"),
    ):
        assert run(*arguments) == 2
        said = capsys.readouterr().err
        assert message in said
        assert "Traceback" not in said
        assert len(said.strip().splitlines()) == 1
    assert run("no-such-command") == 2


def test_the_line_to_type_replaces_the_options_that_were_wrong(run, capsys):
    Path("a.csv").write_text("opinion,verdict,pic\nGood and long.,yes,\nBad and long.,no,\n")
    for wrong in (
        ["--text", "a", "--label", "verdict"],
        ["--text=opinion", "--text=b", "--label=c"],
        ["--label", "verdict", "--text", "a", "--image", "pic"],
        ["--text", "opinion", "--image", "d"],
    ):
        assert run("data", "a.csv", *wrong) == 2
        said = capsys.readouterr().err
        assert "Name yours: --text opinion" in said
        line = shlex.split(said.partition("Type: ")[2])
        assert line[:2] == ["docgraph", "data"]
        cli.app(line[1:], standalone_mode=False)
        assert "opinion -> body, verdict -> label" in capsys.readouterr().out


def test_a_verb_without_labels_is_told_the_line_without_one(run, capsys):
    Path("a.csv").write_text("opinion,verdict,photo\nGood and long.,yes,x.png\n")
    assert run("chunk", "a.csv", "--text", "a", "--image", "photo", "--output", "c.jsonl") == 2
    said = capsys.readouterr().err.strip()
    assert said.endswith("Type: docgraph chunk a.csv --output c.jsonl --text opinion --image photo")


def test_a_wrong_label_alone_is_told_what_to_type_and_leaves_no_run_behind(run, capsys):
    Path("a.csv").write_text("text,verdict\nGood and long.,yes\nBad and long.,no\n")
    for wrong in (["--label", "lab"], []):
        assert run("train", "--recipe", "stacked-words", "--data", "a.csv", "--output", "r", *wrong) == 2
        said = capsys.readouterr().err.strip().splitlines()[-1]
        assert said.endswith("Type: docgraph train --recipe stacked-words --data a.csv --output r --label verdict")
        assert RunFolder("r").config is None


def test_labels_that_look_like_numbers_are_told_before_training(run, capsys):
    """Two labels are needed, and this training split has none that count: the command ends right after telling."""
    rows = [f"{n}.5 words,{n}.5,{'train' if n == 0 else 'test'}" for n in range(30)]
    Path("a.csv").write_text("\n".join(["text,label,split", *rows]))
    assert run("train", "--recipe", "stacked-words", "--data", "a.csv", "--output", "r") == 2
    said = capsys.readouterr().err
    assert "30 different numbers" in said
    assert "--set problem_type=regression" in said
    assert "the training split of a.csv (1 of 30 records) has only the label '0.5'" in said


def test_training_on_nothing_is_one_sentence(run, capsys):
    Path("a.csv").write_text("text,label\n" + ",a\n,b\n" * 10)
    assert run("train", "--recipe", "stacked-words", "--data", "a.csv", "--output", "r") == 2
    assert "of the training split of a.csv are empty" in capsys.readouterr().err


# -- from a table to vectors -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a table of two classes, five pages, and a model trained by the command in run/."""
    folder = tmp_path_factory.mktemp("work")
    rows = [
        {
            "id": f"r{n}",
            "label": ("cats", "dogs")[n % 2],
            "title": f"Number {n}",
            "text": f"It can {('purr', 'bark')[n % 2]}.",
            "split": ("train", "train", "dev", "test")[n // 2 % 4],
        }
        for n in range(32)
    ]
    (folder / "pets.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "pages").mkdir()
    for n in range(5):
        body = f"<h1>Page {n}</h1><p>It can bark.</p><h2>More</h2><p>It can purr {n} times.</p>"
        (folder / "pages" / f"p{n}.html").write_text(f"<html><body><article>{body}</article></body></html>")
    model = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = make_config(
        {
            "data": str(folder / "pets.jsonl"),
            "output": str(folder / "run"),
            "device": "cpu",
            "vocab_size": 300,
            "epochs": 6,
            "batch_documents": 4,
            "learning_rate": 0.02,
            "model": {**model, "text_leaves": "node", "image_encoder": None},
        }
    )
    (folder / "train.yaml").write_text(config.to_yaml())
    return folder


@pytest.fixture(scope="module")
def model_folder(folder) -> Path:
    from training.fit import main

    assert main([str(folder / "train.yaml")]) == 0
    return folder / "run"


def test_train_says_where_the_model_is_and_again_that_it_is_done(run, capsys, folder, model_folder):
    assert run("train", folder / "train.yaml", "--set", "epochs=6") == 0
    said = capsys.readouterr()
    assert f"model in {model_folder}" in said.out
    assert "nothing to train" in said.err
    assert run("train", folder / "train.yaml", "--set", "epochs=7") == 2
    assert "its run differs in epochs" in capsys.readouterr().err


def test_evaluate_writes_a_report_and_the_confusion_matrix(run, capsys, folder, model_folder):
    assert run("evaluate", model_folder, "--data", folder / "pets.jsonl", "--report", "r/report.json", "--quiet") == 0
    said = capsys.readouterr().out
    assert "majority" in said
    assert "This model is not significantly above the best simple rival" in said
    report = json.loads(Path("r/report.json").read_text())
    assert report["scores"]["accuracy"] == 1.0
    assert report["split"] == "test"
    names = ["TF-IDF + logistic regression", "NB-weighted logistic regression", "MiniLM + logistic regression"]
    assert [one["name"] for one in report["baselines"]] == ["majority class", *names]
    assert [one["other"] for one in report["pairs"]] == names
    assert Path("r/report.png").read_bytes().startswith(b"\x89PNG")


def test_a_report_of_another_ending_is_refused_before_the_work(run, capsys, folder, model_folder, monkeypatch):
    monkeypatch.setattr("training.evaluate.evaluate", lambda *_, **__: pytest.fail("it began to work"))
    assert run("evaluate", model_folder, "--data", folder / "pets.jsonl", "--report", "report.pdf") == 2
    assert "must end in .html, .json, .md, but is 'report.pdf'" in capsys.readouterr().err


def test_predict_names_what_it_cannot_read(run, capsys, folder, model_folder):
    Path("empty.html").write_text("<html></html>")
    pages = folder / "pages"
    assert run("predict", model_folder, pages, "absent.txt", "empty.html", "--output", "p.jsonl") == 1
    found = [json.loads(line) for line in Path("p.jsonl").read_text().splitlines()]
    assert [Path(one["id"]).name for one in found] == [f"p{n}.html" for n in range(5)]
    assert all(abs(sum(one["probabilities"].values()) - 1) < 1e-5 for one in found)
    noted = [json.loads(line)["input"] for line in Path("errors.jsonl").read_text().splitlines()]
    assert noted == ["absent.txt", "empty.html"]
    assert run("predict", model_folder, "absent.txt") == 2
    capsys.readouterr()
    assert run("predict", model_folder, folder / "pets.jsonl", "--json") == 0
    assert len(capsys.readouterr().out.splitlines()) == 32


def test_embed_writes_documents_and_sections_as_encode_gives_them(run, folder, model_folder):
    arguments = ("--output", "v.parquet", "--level", "document", "--level", "section", "--quiet")
    assert run("embed", model_folder, folder / "pages", *arguments) == 0
    table, vectors = read_vectors(Path("v.parquet"))
    rows = table.drop_columns(["vector"]).to_pylist()
    assert not Path("v.parquet.parts").exists()
    model = RunFolder(model_folder).model()
    inputs = find_inputs([folder / "pages"])
    documents = [one.document() for one in inputs]
    for place, row in enumerate(rows):
        number = [one.id for one in inputs].index(row["document_id"])
        node = documents[number][row["node_row"]]
        assert (row["kind"], (row["start"], row["end"])) == (node.kind, node.span)
        everything = model.encode([documents[number]], "nodes", normalize=True)
        want = everything.vectors[everything.node_row == row["node_row"]][0]
        np.testing.assert_allclose(vectors[place], want, atol=1e-5)
    assert {row["kind"] for row in rows} == {"page", "section"}
    whole = model.encode(documents, "document", normalize=True).vectors
    roots = [place for place, row in enumerate(rows) if row["node_row"] == 0]
    np.testing.assert_allclose(vectors[roots], whole, atol=1e-5)


def test_a_run_before_the_pages_is_the_model_whatever_is_installed(run, folder, model_folder, monkeypatch, capsys):
    monkeypatch.setattr("training.jobs.embedders.default_model", lambda: "docgraph-static")
    assert run("embed", model_folder, folder / "pages", "--output", "v.parquet") == 0
    assert "classes apart" in capsys.readouterr().err
    for option in (["--late"], ["--of", "leaves"], ["--cache", "c.sqlite"]):
        assert run("embed", folder / "pages", "--output", "w.parquet", "--quiet", *option) == 2
        assert "the model is docgraph-static" in " ".join(capsys.readouterr().err.split())
    assert not Path("w.parquet").exists()


def test_an_embedding_job_that_died_goes_on_and_ends_like_one_that_did_not(folder, model_folder, tmp_path, monkeypatch):
    embedder = Embedder(RunReader(RunFolder(model_folder).model()))
    (tmp_path / "bad.docx").write_text("?")
    inputs = find_inputs([folder / "pages", tmp_path / "bad.docx"])
    embed(embedder, inputs, tmp_path / "whole.parquet", per_shard=2)
    write = Shards.write

    def dying(self, shard, *rest):
        if shard == 2:
            raise KeyboardInterrupt
        write(self, shard, *rest)

    monkeypatch.setattr(Shards, "write", dying)
    with pytest.raises(KeyboardInterrupt):
        embed(embedder, inputs, tmp_path / "v.parquet", per_shard=2)
    assert len(list((tmp_path / "v.parquet.parts").glob("*.parquet"))) == 2
    done = []
    monkeypatch.setattr(Shards, "write", lambda self, shard, *rest: (done.append(shard), write(self, shard, *rest)))
    _, errors = embed(embedder, inputs, tmp_path / "v.parquet", per_shard=2)
    assert done == [2]
    assert [one["input"] for one in errors.found] == [str(tmp_path / "bad.docx")]
    tables = [read_vectors(tmp_path / name)[0] for name in ("whole.parquet", "v.parquet")]
    assert tables[0].equals(tables[1])


def test_embedding_needs_no_labels_and_the_file_says_what_its_vectors_are(run, folder, tmp_path):
    encoder = save_bert(tmp_path / "bert")
    levels = ("--level", "section", "--level", "passage", "--dtype", "float16")
    assert run("embed", folder / "pages", "--output", "v.parquet", "--model", encoder, *levels) == 0
    table, vectors = read_vectors(Path("v.parquet"))
    assert vectors.dtype == np.float16
    about = json.loads(table.schema.metadata[b"docgraph"])
    assert about["model"] == str(encoder)
    assert about["settings"]["levels"] == ["section", "passage"]
    inputs = find_inputs([folder / "pages"])
    documents, names = [one.document() for one in inputs], [one.id for one in inputs]
    want = Embedder.from_pretrained(encoder).encode(documents, ["section", "passage"], ids=names, dtype="float16")
    np.testing.assert_allclose(vectors, want.vectors, atol=2e-3)
    rows = table.drop_columns(["vector"]).to_pylist()
    assert [row["id"] for row in rows] == list(want.id)
    assert [tuple(row["headings"]) for row in rows] == list(want.headings)
    assert [row["dom_path"] for row in rows] == list(want.dom_path)
    assert all(documents[names.index(row["document_id"])].text[row["start"] : row["end"]] for row in rows)


def test_a_classifier_says_what_its_vectors_are_good_for(run, folder, model_folder, capsys):
    pages = folder / "pages"
    assert run("embed", pages, "--output", "v.parquet", "--model", model_folder) == 0
    said = capsys.readouterr().err
    assert "telling" in said
    assert "classes apart" in said
    assert run("embed", pages, "--output", "l.parquet", "--model", model_folder, "--of", "leaves", "--quiet") == 2
    assert "its sub-words were learned with the classes" in " ".join(capsys.readouterr().err.split())


def test_vectors_of_two_models_or_inputs_never_mix(tmp_path):
    def claim(fingerprint: str, *inputs: str) -> None:
        with vector_shards(tmp_path / "v.parquet", fingerprint=fingerprint, inputs=inputs, width=4).claimed():
            pass

    claim("one", "a", "b")
    claim("one", "a", "b")
    with pytest.raises(DataError, match=r"differs in fingerprint: .* Delete it, or choose another output"):
        claim("two", "a", "b")
    with pytest.raises(DataError, match=r"differs in inputs_digest"):
        claim("one", "a", "c")


def test_inputs_of_a_folder_are_its_pages_and_of_a_data_set_its_records(tmp_path, sample_data):
    assert len(find_inputs([sample_data / "pages"])) == 6
    assert len(find_inputs([sample_data / "news"])) == 77
    (tmp_path / "note.txt").write_text("A note.")
    (found,) = find_inputs([tmp_path])
    assert found.document().text == "A note."
    for name, content in {"sci.space/1": b"Orbit.", "sci.space/.x": b"x", "sci.space/tool": b"\x7fELF\0"}.items():
        (tmp_path / "news" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "news" / name).write_bytes(content)
    (found,) = find_inputs([tmp_path / "news"])
    assert found.document().text == "Orbit."
    assert Input("tool", tmp_path / "news" / "sci.space" / "1").document().text == "Orbit."
    with pytest.raises(DocgraphError, match="suffix of a document"):
        Input("tool", tmp_path / "news" / "sci.space" / "tool").document()
    errors = SetAside(tmp_path / "errors.jsonl")
    assert errors.write() is None
    assert (errors.exit_code(3), errors.exit_code(0)) == (0, 2)


def test_the_demo_runs_and_writes_what_it_says(tmp_path, sample_data, monkeypatch, capsys):
    from training.jobs import demo

    samples = tmp_path / "samples"
    shutil.copytree(sample_data, samples, ignore=shutil.ignore_patterns("*.md"))
    for post in sorted((samples / "html").glob("*.html"))[3:]:
        post.unlink()
    monkeypatch.setattr(demo, "CHANGES", {**demo.CHANGES, "epochs": 1})
    from rich.console import Console

    written = demo.demo(tmp_path / "out", samples, console=Console(width=100))
    said = capsys.readouterr().out
    assert all(path.exists() for path in written)
    assert {path.name for path in written} >= {
        "report.html",
        "confusion.png",
        "vectors.parquet",
        "pages.index",
        "run",
        "tree.txt",
    }
    for words in (
        "majority class: accuracy 0.348",
        "TF-IDF + logistic regression: accuracy",
        "9 pages in",
        *demo.QUESTIONS,
    ):
        assert words in said
    table, _ = read_vectors(tmp_path / "out" / "vectors.parquet")
    kinds = table.column("kind").to_pylist()
    assert kinds.count("article") == 77
    assert kinds.count("page") == 3 + 6
    assert kinds.count("section") > 9
