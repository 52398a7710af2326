"""Code blocks of a Markdown page, and a way to run them: `python tests/blocks.py PAGE.md` in the folder to work in.

Python blocks of a page share one namespace, bash blocks stop at the first command that fails, both in the page's order.
The command `docgraph` is the one of this checkout.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^(`{3,})([\w{}-]*)[^\n]*\n(.*?)^\1$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """One fenced block."""

    language: str
    code: str
    line: int


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page in order."""
    text = page.read_text(encoding="utf-8")
    return [Block(m[2], m[3], text.count("\n", 0, m.start()) + 2) for m in FENCE.finditer(text)]


def run(page: Path) -> int:
    """Run a page's blocks in the current folder; return how many ran."""
    Path(".bin").mkdir(exist_ok=True)
    command = Path(".bin/docgraph")
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m training.cli "$@"\n')
    command.chmod(0o755)
    paths = {"PATH": f"{Path('.bin').resolve()}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    namespace: dict[str, object] = {"__name__": "__main__"}
    ran = 0
    for block in blocks(page):
        if block.language == "python":
            # as many empty lines before it as the page has, so that a traceback names the page's line
            exec(compile("\n" * (block.line - 1) + block.code, str(page), "exec"), namespace)
        elif block.language == "bash":
            sys.stdout.flush()
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.code], env={**os.environ, **paths}, check=False
            )
            if done.returncode:
                raise SystemExit(f"{page}:{block.line}: the block ended with {done.returncode}")
        else:
            continue
        ran += 1
    return ran


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    print(run(Path(sys.argv[1])), "blocks ran")
