"""Every code block of README and docs runs as it stands, and what they name is there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.blocks import ROOT, blocks
from tests.browsers import needs_chromium

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN = [page for page in PAGES if any(block.language in ("python", "bash") for block in blocks(page))]


def named(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[needs_chromium] if page.name == "rendering.md" else []) for page in RUN],
    ids=named(RUN),
)
def test_every_block_of_a_page_runs_in_an_empty_folder(page: Path, tmp_path: Path) -> None:
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "blocks.py"), str(page)],
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert int(re.findall(r"(\d+) blocks ran", done.stdout)[-1]) == sum(
        block.language in ("python", "bash") for block in blocks(page)
    )


def test_the_readme_and_each_tutorial_have_blocks_that_run() -> None:
    names = named(RUN)
    assert "README.md" in names
    assert sum(name.startswith("docs/tutorials/") for name in names) == 3
    assert len(list((ROOT / "docs" / "tutorials").glob("*.md"))) == 3


@pytest.mark.parametrize("page", PAGES, ids=named(PAGES))
def test_code_is_python_or_bash_and_the_rest_is_marked_as_text(page: Path) -> None:
    plain = {"python", "bash", "text", "yaml"}
    assert {block.language for block in blocks(page) if not block.language.startswith("{")} <= plain


def test_a_block_that_fails_is_seen(tmp_path: Path) -> None:
    for block in ("```python\nassert 1 == 2\n```", "```bash\nfalse\ntrue\n```"):
        page = tmp_path / "page.md"
        page.write_text(block + "\n")
        command = [sys.executable, str(ROOT / "tests" / "blocks.py"), str(page)]
        assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode


def test_commands_and_options_named_in_text_exist() -> None:
    """In the lines that begin with the command; the blocks that run show it by running."""
    helps: dict[str, str] = {}
    seen = 0
    for page in PAGES:
        for block in blocks(page):
            for line in block.code.splitlines() if block.language == "text" else ():
                match = re.match(r"docgraph ([a-z-]+)(.*)", line)
                if not match or match[1].startswith("-"):
                    continue
                verb = match[1]
                if verb not in helps:
                    command = [sys.executable, "-m", "training.cli", verb, "--help"]
                    done = subprocess.run(
                        command,
                        capture_output=True,
                        text=True,
                        cwd=ROOT,
                        env={**os.environ, "COLUMNS": "200"},
                        check=False,
                    )
                    assert done.returncode == 0, f"{page.name}: docgraph {verb}: {done.stderr}"
                    helps[verb] = done.stdout
                for option in re.findall(r"--[a-z][a-z-]*", match[2].split("#")[0]):
                    assert re.search(rf"{option}\b", helps[verb]), f"{page.name}: docgraph {verb} {option}"
                seen += 1
    assert seen >= 5


def test_files_that_pages_link_to_are_there() -> None:
    links = 0
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)|<img[^>]+src=\"([^\":]+)\"", text):
            path = target[0] or target[1]
            assert (page.parent / path).exists(), f"{page.name} links to {path}"
            links += 1
    assert links > 20
