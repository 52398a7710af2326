"""The wheel in an empty environment: how large it is, that it parses everything without torch, and what it says else.

`.ci/run` runs these; by hand `pytest -m install`. They need an index of packages, or the wheels in pip's cache.
"""

import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import docgraph
from tests.bare import COMMANDS, IMPORTS, WALK, says_the_extra

pytestmark = pytest.mark.install

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "sample_data"
TABLES = sorted((SAMPLES / "news" / "news").glob("*.json"))
MEGABYTES = 190
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}


def run(*command: object, folder: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=CLEAN,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive, and the wheel made from it."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, folder=folder)
    return folder


@pytest.fixture(scope="module")
def bare(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment with pip, the wheel and what it requires."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=True)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    (wheel,) = built.glob("*.whl")
    run(programs / "python", "-m", "pip", "install", "--disable-pip-version-check", wheel, folder=folder)
    return programs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "page.html").write_text("<h1>A head</h1><p>And a text.")
    return tmp_path


def test_the_wheel_holds_the_code_its_data_and_the_licence_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    code = {path.relative_to(ROOT).as_posix() for top in ("docgraph", "encoders", "training") for path in files(top)}
    information = {name for name in names if ".dist-info/" in name}
    assert set(names) - information == code
    assert {name.split(".dist-info/")[1] for name in information} >= {
        "METADATA",
        "licenses/LICENSE",
        "entry_points.txt",
    }
    assert {"docgraph/py.typed", "encoders/py.typed", "training/py.typed", "docgraph/__init__.pyi"} <= code


def files(top: str) -> list[Path]:
    return [path for path in (ROOT / top).rglob("*") if path.is_file() and path.parent.name != "__pycache__"]


def test_the_source_archive_holds_what_its_tests_need(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml", "Makefile", "tests/conftest.py", "sample_data/README.md"} <= names
    assert not [name for name in names if name.startswith((".venv", "demo_output", "build/"))]


def test_the_base_install_is_small_and_has_no_torch(
    bare: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = run(bare / "python", "-m", "pip", "list", "--format=json", folder=folder).stdout
    names = {one["name"].lower() for one in json.loads(listed)}
    assert "docgraph" in names
    assert not names & {"torch", "torchvision", "transformers", "numba", "scipy", "scikit-learn", "pyarrow"}
    size = sum(path.lstat().st_size for path in bare.parent.rglob("*")) / 1e6
    with capsys.disabled():
        print(f"\nThe base install takes {size:.0f} MB with pip itself: {', '.join(sorted(names))}.")
    assert size <= MEGABYTES


def test_the_command_says_its_version(bare: Path, folder: Path) -> None:
    assert run(bare / "docgraph", "--version", folder=folder).stdout == f"docgraph {docgraph.__version__}\n"


def test_the_command_parses_all_samples_from_any_folder(bare: Path, folder: Path) -> None:
    run(bare / "docgraph", "parse", SAMPLES, "--output", "trees.jsonl", folder=folder)
    documents = [json.loads(line) for line in (folder / "trees.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(documents) == len({one["id"] for one in documents}) == len(list(SAMPLES.rglob("*.html"))) > 20


PARSE = """
import json, pathlib, sys
import docgraph
assert not pathlib.Path(docgraph.__file__).is_relative_to(sys.argv[2]), docgraph.__file__
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.html")):
    page = docgraph.load_document(path)
    assert docgraph.Document.from_json(page.to_json()).same_as(page)
    print(path.name, len(page), len(page.main_text))
for table in sorted(pathlib.Path(sys.argv[1]).rglob("*.json")):
    for record in json.loads(table.read_bytes()):
        article = docgraph.parse_article({"headline": record["headline"], "body": record["article"]})
        print(table.name, len(article), len(article.text))
assert not {"torch", "numba", "transformers", "encoders"} & sys.modules.keys()
"""


def test_python_parses_all_samples_from_any_folder(bare: Path, folder: Path) -> None:
    lines = run(bare / "python", "-c", PARSE, SAMPLES, ROOT, folder=folder).stdout.splitlines()
    records = sum(len(json.loads(table.read_bytes())) for table in TABLES)
    assert len(lines) == len(list(SAMPLES.rglob("*.html"))) + records > 50
    for line in lines:
        name, nodes, letters = line.rsplit(" ", 2)
        assert int(nodes) > 5, name
        assert int(letters) > 200, name


def test_all_of_docgraph_can_be_imported(bare: Path, folder: Path) -> None:
    count, *loaded = run(bare / "python", "-c", WALK, folder=folder).stdout.split()
    assert int(count) > 40
    assert "torch" not in loaded


@pytest.mark.parametrize("verb", COMMANDS)
def test_a_command_that_needs_an_extra_names_it(bare: Path, folder: Path, verb: str) -> None:
    arguments, extra = COMMANDS[verb]
    done = run(bare / "docgraph", *arguments.split(), folder=folder, check=False)
    assert done.returncode == 2
    assert says_the_extra(done.stderr, extra), done.stderr


@pytest.mark.parametrize("statement", IMPORTS)
def test_an_import_that_needs_an_extra_names_it(bare: Path, folder: Path, statement: str) -> None:
    done = run(bare / "python", "-c", statement, folder=folder, check=False)
    assert says_the_extra(done.stderr, IMPORTS[statement]), done.stderr
