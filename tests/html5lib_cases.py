"""The tree-construction cases of html5lib-tests: markup and the tree that the HTML standard builds of it."""

import re
from collections.abc import Iterator
from pathlib import Path

Outline = list[tuple[int, str]]
"""(depth, tag) and (depth, '"' + text), white space collapsed."""


def cases(folder: Path) -> Iterator[tuple[str, Outline]]:
    """Yield markup and outline of every case that is a whole document read without scripts."""
    for path in sorted(folder.glob("*.dat")):
        for case in re.split(r"(?:^|\n\n)#data\n", path.read_text("utf-8", "surrogatepass"))[1:]:
            if "\n#document-fragment" in case or "\n#script-on" in case:
                continue
            markup, rest = re.split(r"(?:^|\n)#errors(?:\n|$)", case, maxsplit=1)
            tree = re.split(r"(?:^|\n)#document\n", rest, maxsplit=1)
            if len(tree) == 2:
                yield markup, without_frame(outline(tree[1]))


def outline(tree: str) -> Outline:
    """Return a tree as the cases write it: a line a node, two spaces a level; comments and attributes left out."""
    lines: list[tuple[int, str]] = []
    for line in tree.split("\n"):
        if line.startswith("| "):
            content = line[2:].lstrip(" ")
            lines.append(((len(line) - 2 - len(content)) // 2, content))
        elif lines and lines[-1][1].startswith('"'):
            lines[-1] = (lines[-1][0], f"{lines[-1][1]}\n{line}")
    found: Outline = []
    for depth, content in lines:
        if content.startswith('"'):
            if text := " ".join(content.strip().strip('"').split()):
                found.append((depth, f'"{text}'))
        elif content.startswith("<") and not content.startswith("<!"):
            found.append((depth, content.strip("<>").split(" ")[-1].lower()))
    return found


def without_frame(nodes: Outline) -> Outline:
    """Return an outline without `html`, `head` and `body`, what was in them as many levels higher."""
    found: Outline = []
    frame: list[int] = []
    for depth, content in nodes:
        while frame and frame[-1] >= depth:
            frame.pop()
        if content in ("html", "head", "body"):
            frame.append(depth)
        else:
            found.append((depth - len(frame), content))
    return found
