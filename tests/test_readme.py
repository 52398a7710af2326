"""What the README shows runs as it stands, and names only what is there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_examples_run(number: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLES[number]],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_main_example_is_short_enough_to_read() -> None:
    assert len(EXAMPLES) >= 1
    lines = [line for line in EXAMPLES[0].splitlines() if line.strip() and not line.startswith(("import", "from"))]
    assert len(lines) <= 20


def test_files_and_folders_named_are_there() -> None:
    for name in re.findall(r"^\| `(\w+)/` \| (.*) \|$", README, re.MULTILINE):
        folder = ROOT / name[0]
        assert folder.is_dir()
        for inner in re.findall(r"`(\w+(?:\.py|/))`", name[1]):
            assert (folder / inner.rstrip("/")).exists(), f"{name[0]}/{inner}"


def test_commands_named_exist() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "training.cli", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    for command in set(re.findall(r"docgraph (parse|train|evaluate|predict|embed|demo|compare|zero-shot)\b", README)):
        assert re.search(rf"^\W*{command}\b", shown, re.MULTILINE), command
