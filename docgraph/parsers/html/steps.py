"""The xpath steps of a page's elements, found when the first one is asked for: few documents are asked for any."""

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from typing import Any, overload

from docgraph.parsers.html.elements import Elements
from docgraph.records import Ints


class Steps(Sequence[str]):
    """One xpath step an element ("div[3]"): its place among siblings of its own name. Pickled and copied as a tuple."""

    def __init__(self, elements: Elements, parent: Ints) -> None:
        """Make the steps of `elements`, whose parents are `parent`."""
        self._tags, self._divisions, self._parent = elements.tag, elements.divisions, parent

    def __len__(self) -> int:
        return len(self._tags)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        return self._steps[index]

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (self._steps,)

    @cached_property
    def _steps(self) -> tuple[str, ...]:
        seen: dict[tuple[int, str], int] = {}
        known: defaultdict[str, list[str]] = defaultdict(list)
        steps = []
        for row, family in enumerate(zip(self._parent.tolist(), self._tags, strict=True)):
            if row in self._divisions:
                family = (family[0], self._divisions[row])
            count = seen[family] = seen.get(family, -1) + 1
            of_tag = known[family[1]]
            if count == len(of_tag):
                name = family[1] if _is_plain_name(family[1]) else f"*[name()={_quoted(family[1])}]"
                of_tag.append(f"{name}[{count + 1}]")
            steps.append(of_tag[count])
        return tuple(steps)


def _is_plain_name(tag: str) -> bool:
    return tag.replace("-", "").replace("_", "").isalnum() and not tag[:1].isdigit()


def _quoted(text: Any) -> str:
    return f'"{text}"' if "'" in text else f"'{text}'"
