"""Without the optional packages: what needs one says in one sentence which extra brings it, and all else works.

Packages are made absent in a process of their own; test_install.py does the same in an environment that lacks them.
"""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from docgraph.errors import EXTRAS
from tests.bare import COMMANDS, IMPORTS, LIGHT, WALK, says_the_extra
from training import cli

ROOT = Path(__file__).resolve().parent.parent
OPTIONAL = {module for modules in EXTRAS.values() for module in modules}


def without_extras(code: str, folder: Path, but: str = "") -> subprocess.CompletedProcess[str]:
    absent = sorted(OPTIONAL - set(EXTRAS.get(but, ())))
    before = f"import sys\nsys.path[0] = {str(ROOT)!r}\nsys.modules.update(dict.fromkeys({absent!r}))\n"
    return subprocess.run(
        [sys.executable, "-c", before + code], capture_output=True, text=True, cwd=folder, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "page.html").write_text("<h1>A head</h1><p>And a text.")
    return tmp_path


@pytest.mark.parametrize("verb", COMMANDS)
def test_a_command_that_needs_an_extra_names_it_and_leaves_nothing_behind(verb: str, folder: Path) -> None:
    arguments, extra = COMMANDS[verb]
    done = without_extras(
        f"from training import cli\nsys.argv = {['docgraph', *arguments.split()]}\ncli.main()", folder
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert says_the_extra(done.stderr, extra), done.stderr
    assert [path.name for path in folder.iterdir()] == ["page.html"]


@pytest.mark.parametrize("model", [[], ["--model", "docgraph-static"]], ids=str)
def test_vectors_are_written_without_torch(model: list[str], folder: Path) -> None:
    options = ["--level", "passage", "--dtype", "float16", "--boilerplate"]
    command = ["docgraph", "embed", "page.html", "--output", "vectors.parquet", *options, *model]
    done = without_extras(
        f"from training import cli\nsys.argv = {command}\ntry: cli.main()\nexcept SystemExit as end: code = end.code\n"
        "assert not code, code\nimport pyarrow.parquet as parquet\ntable = parquet.read_table('vectors.parquet')\n"
        "print(table.column('text').to_pylist(), set(table.column('level').to_pylist()), "
        "table.schema.field('vector').type)\n"
        "print(table.schema.metadata[b'docgraph'].decode())",
        folder,
        but="parquet",
    )
    assert done.returncode == 0, done.stderr
    assert "And a text." in done.stdout
    assert "{'passage'} fixed_size_list<element: halffloat>[256]" in done.stdout
    assert '"boilerplate": true' in done.stdout
    assert '"model": "docgraph-static"' in done.stdout


def test_every_verb_is_light_or_says_what_it_needs() -> None:
    assert set(cli.VERBS) == LIGHT | COMMANDS.keys()


@pytest.mark.parametrize("statement", IMPORTS)
def test_an_import_that_needs_an_extra_names_it(statement: str, folder: Path) -> None:
    done = without_extras(statement, folder)
    assert done.returncode == 1
    assert "MissingExtraError: " in done.stderr.splitlines()[-1]
    assert says_the_extra(done.stderr, IMPORTS[statement]), done.stderr


def test_no_module_of_ours_lets_the_lack_of_torch_through(folder: Path) -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in ("encoders", "training")
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.stem not in ("__main__", "__init__")
    ]
    assert len(modules) > 100
    done = without_extras(
        f"import importlib\nfor name in {modules!r}:\n try: importlib.import_module(name)\n"
        " except ImportError as error: print(name, type(error).__name__)",
        folder,
    )
    assert {line.split()[1] for line in done.stdout.splitlines()} == {"MissingExtraError"}, done.stdout
    assert not done.returncode, done.stderr


def test_all_of_docgraph_can_be_imported_without_any_extra(folder: Path) -> None:
    done = without_extras(WALK, folder)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) > 40


def test_the_table_of_extras_says_what_pyproject_brings() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    brings = {extra: {re.split(r"[\[><=]", entry)[0] for entry in entries} for extra, entries in extras.items()}
    distributions = packages_distributions()
    checked = 0
    for extra, modules in EXTRAS.items():
        for module in modules:
            for distribution in distributions.get(module, []):
                known = {name.lower().replace("_", "-") for name in brings[extra]}
                assert distribution.lower().replace("_", "-") in known | {"huggingface-hub"}, (
                    f"{module}: {distribution}"
                )
                checked += 1
    assert checked > 12
    assert brings.keys() - EXTRAS.keys() == {"all", "bench", "docs", "dev"}
