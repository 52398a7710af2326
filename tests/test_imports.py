"""What imports what: docgraph <- encoders <- training, never the other way, and no torch in docgraph."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import networkx
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


# -- circles ---------------------------------------------------------------------------------------------------

CIRCLES: set[frozenset[str]] = set()
"""Modules that import one another. One that is opened leaves this list, and none may be added."""


def import_graph(
    root: Path, packages: tuple[str, ...], functions: bool = True, others: bool = False
) -> networkx.DiGraph:
    """An edge from each module to each that it imports anywhere in it; what only a type checker sees is left out.

    A name imported from a package is looked up in its `__init__.pyi`, which says the module that it comes from.
    `functions=False` leaves out what functions import; `others` adds modules of other packages, and an edge from each
    module to the package that it lies in, which is loaded before it.
    """
    files = {}
    for package in packages:
        for path in (root / package).rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    homes = {name: stub_names(path.with_suffix(".pyi"), name) for name, path in files.items()}
    graph = networkx.DiGraph()
    graph.add_nodes_from(files)
    for name, path in files.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for module, member in imports_at_run_time(ast.parse(path.read_text(encoding="utf-8")), package, functions):
            target = f"{module}.{member}" if f"{module}.{member}" in files else module
            target = homes.get(target, {}).get(member, target)
            if target in files or others:
                graph.add_edge(name, target)
        if others and "." in name:
            graph.add_edge(name, name.rpartition(".")[0])
    return graph


def stub_names(stub: Path, package: str) -> dict[str, str]:
    """Where each public name of a package comes from, as its stub says."""
    if not stub.exists():
        return {}
    return {
        member: module for module, member in imports_at_run_time(ast.parse(stub.read_text(encoding="utf-8")), package)
    }


def imports_at_run_time(tree: ast.AST, package: str, functions: bool = True) -> Iterator[tuple[str, str]]:
    """(module, name imported from it or "") of each import statement and each import_module call with a constant."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not functions:
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "import_module":
            yield from ((arg.value, "") for arg in node.args if isinstance(arg, ast.Constant))


def knots(graph: networkx.DiGraph) -> set[frozenset[str]]:
    """The sets of modules each of which imports the others, directly or by way of others."""
    parts = networkx.strongly_connected_components(graph)
    return {frozenset(part) for part in parts if len(part) > 1 or graph.has_edge(*part, *part)}


def test_no_module_imports_one_that_imports_it():
    graph = import_graph(ROOT, ("docgraph", "encoders", "training"))
    assert graph.number_of_edges() > 300
    assert graph.has_edge("docgraph.load", "docgraph.parsers.html.page")
    new = knots(graph) - CIRCLES
    assert not new, [" -> ".join(edge[0] for edge in networkx.find_cycle(graph.subgraph(knot))) for knot in new]
    assert not CIRCLES - knots(graph), "these are open: take them off the list"


def test_rooms_of_training_need_one_another_one_way_only():
    """A room is a folder; what stands beside the rooms is at the door, and is called from outside and in."""
    rooms = {path.parent.name for path in (ROOT / "training").glob("*/__init__.py")}
    graph = networkx.DiGraph()
    for one, other in import_graph(ROOT, ("training",)).edges:
        of, to = (name.split(".")[1] if "." in name else "" for name in (one, other))
        if of in rooms and to in rooms and of != to:
            graph.add_edge(of, to)
    assert graph.number_of_edges() > 15
    assert not knots(graph)


def test_the_finder_of_circles_sees_imports_in_functions_and_not_those_for_type_checkers(tmp_path):
    (tmp_path / "p").mkdir()
    for name, source in {
        "__init__": "",
        "a": "from p import b",
        "b": "def f():\n    from p.c import x",
        "c": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.b import f\nelse:\n    from . import d",
        "d": "import_module('p.a')",
        "e": "import p.a",
    }.items():
        (tmp_path / "p" / f"{name}.py").write_text(source)
    assert knots(import_graph(tmp_path, ("p",))) == {frozenset(("p.a", "p.b", "p.c", "p.d"))}


# -- imports inside functions ----------------------------------------------------------------------------------

ALLOWED = {
    ("encoders.sharding", "torch.distributed.fsdp"): "torch may be built without it",
    ("training.cli.pages", "docgraph.fetch"): "http and ssl, for --fetch alone: help is light",
}


def needless_late_imports(root: Path, packages: tuple[str, ...]) -> set[tuple[str, str]]:
    """(module, what a function in it imports) where no package of others is loaded later for it.

    An import stands in a function so that a package waits until it is needed: one that is heavy, or may be missing. It
    gains nothing where it brings none, or none but those that its file loads anyway.
    """
    at_first = import_graph(root, packages, functions=False, others=True)
    late = set(import_graph(root, packages, others=True).edges) - set(at_first.edges)

    def loaded(module: str) -> set[str]:
        found = {module} | (networkx.descendants(at_first, module) if module in at_first else set())
        return {one.partition(".")[0] for one in found} - set(packages) - sys.stdlib_module_names

    return {(module, target) for module, target in late if not loaded(target) - loaded(module)}


def test_imports_inside_functions_are_of_what_is_heavy_or_may_be_missing():
    assert needless_late_imports(ROOT, ("docgraph", "encoders", "training")) == ALLOWED.keys()


def test_the_finder_of_needless_late_imports_knows_them_from_those_that_load_something(tmp_path):
    (tmp_path / "p").mkdir()
    for name, source in {
        "__init__": "",
        "heavy": "import torch",
        "light": "import json",
        "a": "def f():\n import json\n from p import light\n from p.heavy import x\n import torch.nn",
        "b": "from p import heavy\ndef f():\n import torch.nn\n from p import a",
    }.items():
        (tmp_path / "p" / f"{name}.py").write_text(source)
    assert needless_late_imports(tmp_path, ("p",)) == {
        ("p.a", "json"),
        ("p.a", "p.light"),
        ("p.b", "torch.nn"),
        ("p.b", "p.a"),
    }


USE = """
import sys
before = set(sys.modules)
import docgraph
at_first = set(sys.modules) - before
gif = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
page = docgraph.parse_html(f"<h1>A</h1><p>b. <img src='{gif}'>")
page.to_networkx(), page.to_markdown(), page.outline(), page.images()[0].image.open(), page.to_json()
docgraph.parse_article({"headline": "h"}), docgraph.parse_text("t"), docgraph.parse_markdown("# m")
docgraph.parse_site([("http://a.org/", "<p>x</p>")])
for name in docgraph.__all__: getattr(docgraph, name)
import docgraph.bulk, docgraph.fetch
for modules in (at_first, set(sys.modules)): print(*{name.partition(".")[0] for name in modules})
"""


def test_docgraph_loads_no_torch_however_it_is_used_and_nothing_but_the_loader_at_first():
    printed = subprocess.run([sys.executable, "-c", USE], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    at_first, later = (set(line.split()) for line in printed.splitlines())
    third_party = {module for module in packages_distributions() if not module.startswith("_")} - {
        "encoders",
        "training",
    }
    assert at_first & third_party == {"docgraph", "lazy_loader"}
    assert later >= {"turbohtml", "networkx", "PIL", "markdown_it", "numpy"}
    assert not later & FORBIDDEN["docgraph"]


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
    pytest.importorskip("transformers", reason="needs the extra models")
    script = (
        f"from encoders import {name}, DocumentConfig\nfrom transformers import *\n"
        "print(type(AutoModelForSequenceClassification.from_config(DocumentConfig())).__name__, "
        "type(AutoModel.from_config(DocumentConfig())).__name__)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["DocumentForClassification", "DocumentModel"]
