"""What imports what: docgraph <- encoders <- training, never the other way, and no torch in docgraph."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN = {
    "docgraph": {
        "torch",
        "torchvision",
        "transformers",
        "timm",
        "numba",
        "tokenizers",
        "encoders",
        "training",
    },
    "encoders": {"training"},
}
CASES = [(package, path) for package in FORBIDDEN for path in sorted((ROOT / package).rglob("*.py"))]


def imported(source: str) -> set[str]:
    """Names of the packages that a file imports anywhere in it, and as strings in import_module calls."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
        elif isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in (
            "import_module",
            "__import__",
        ):
            found |= {
                arg.value.split(".")[0]
                for arg in node.args
                if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
            }
    return found


@pytest.mark.parametrize(("package", "path"), CASES, ids=[str(path.relative_to(ROOT)) for _, path in CASES])
def test_no_file_imports_what_stands_above_it(package, path):
    assert not imported(path.read_text(encoding="utf-8")) & FORBIDDEN[package]


def test_the_reader_of_imports_sees_all_of_their_forms():
    source = "import torch.nn as n\ndef f():\n from training.x import y\n import_module('encoders.z')\nfrom . import a"
    assert imported(source) == {"torch", "training", "encoders"}


USE = """
import sys, time
begin = time.perf_counter()
import docgraph
spent = time.perf_counter() - begin
loaded_at_first = set(sys.modules)
page = docgraph.parse_html("<h1>A</h1><p>b. <img src='data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7'>")
page.to_networkx(), page.to_markdown(), page.outline(), page.images()[0].image.open(), page.to_json()
docgraph.parse_article({"headline": "h"}), docgraph.parse_text("t"), docgraph.parse_markdown("# m")
docgraph.parse_site([("http://a.org/", "<p>x</p>")])
for name in docgraph.__all__: getattr(docgraph, name)
import docgraph.bulk, docgraph.fetch
print(spent, *sorted({name.split(".")[0] for name in loaded_at_first}), "|", *sorted({name.split(".")[0] for name in sys.modules}))
"""


def test_docgraph_loads_no_torch_however_it_is_used_and_little_at_first():
    printed = subprocess.run([sys.executable, "-c", USE], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    spent, at_first, later = printed.split(" ", 1)[0], *printed.split(" ", 1)[1].split(" | ")
    assert not set(later.split()) & FORBIDDEN["docgraph"]
    assert {"bs4", "lxml", "networkx", "PIL", "markdown_it"} & set(later.split()) >= {
        "networkx",
        "PIL",
        "markdown_it",
    }
    assert not set(at_first.split()) & {"bs4", "lxml", "networkx", "PIL", "markdown_it", "numpy"}
    assert float(spent) < 0.15


def test_every_public_name_is_there_and_no_other():
    import docgraph

    assert set(docgraph.__all__) <= set(dir(docgraph))
    with pytest.raises(AttributeError, match="parse_pdf"):
        _ = docgraph.parse_pdf
    assert "parse_html" in docgraph.__all__
    for name in docgraph.__all__:
        assert getattr(docgraph, name).__name__ == name


@pytest.mark.parametrize("name", ["DocumentModel", "DocumentForClassification"])
def test_either_model_makes_both_known_to_the_auto_classes(name: str) -> None:
    script = (
        f"from encoders import {name}, DocumentConfig\nfrom transformers import *\n"
        "print(type(AutoModelForSequenceClassification.from_config(DocumentConfig())).__name__, "
        "type(AutoModel.from_config(DocumentConfig())).__name__)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["DocumentForClassification", "DocumentModel"]
