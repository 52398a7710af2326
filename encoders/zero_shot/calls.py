"""How a hierarchy that belongs to one call reaches the attention function.

    model(**inputs, hsa_tree=tree)             as a keyword: transformers hands it down to every attention function
    with use_tree(tree): model.generate(...)  where a keyword is refused: the outermost model turns it into the keyword

So there is one route, which gradient checkpointing replays. A tree that was asked for and does not arrive
is an error at the layer that misses it, never a quiet fallback.

`hsa_tree` is a TreeBatch, or for a model with towers a mapping such as {"text": tree}; towers it leaves out keep their
stored hierarchy.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from torch import nn

from docgraph.errors import ModelError
from encoders.forest.batch import TreeBatch

KEYWORD = "hsa_tree"

CallTree = TreeBatch | Mapping[str, TreeBatch]

_current: ContextVar[CallTree | None] = ContextVar("docgraph_tree", default=None)


@contextmanager
def use_tree(tree: CallTree) -> Iterator[None]:
    """Use this tree for all calls of converted models inside the `with` block.

    Args:
        tree: one document a sequence of the batch, its leaves the unpadded positions in order; or a mapping
            from towers to such.
    """
    token = _current.set(tree)
    try:
        yield
    finally:
        _current.reset(token)


@dataclass(eq=False)
class Calls:
    """What the forward passes that are running have asked for."""

    with_tree: int = 0
    """Running forward passes, nested ones included, that were given a tree."""

    def before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any] | None:
        """Forward pre-hook of every model around converted layers."""
        tree = _current.get()
        changed = tree is not None and kwargs.get(KEYWORD) is None
        if changed:
            kwargs = {**kwargs, KEYWORD: tree}
        self.with_tree += kwargs.get(KEYWORD) is not None
        return (args, kwargs) if changed else None

    def after(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        """Forward hook, called also where the pass has raised."""
        self.with_tree -= kwargs.get(KEYWORD) is not None

    def tree_for(self, tower: str, layer: str, kwargs: dict[str, Any]) -> TreeBatch | None:
        """Return the tree a layer is to use in this call, None if it is to use its stored hierarchy.

        Raises:
            ModelError: a tree was asked for and has not arrived here.
        """
        tree = kwargs.get(KEYWORD)
        if tree is None and self.with_tree:
            raise ModelError(
                f"{KEYWORD} must reach every converted layer, but {layer} was called without it: "
                "a module on the way drops keywords. Convert this model with a hierarchy of its own instead."
            )
        if isinstance(tree, Mapping):
            unknown = sorted(set(tree) - {"text", "vision"})
            if unknown or not tower:
                raise ModelError(
                    f'{KEYWORD} may be a mapping with the keys "text" and "vision" '
                    f"for a model with these towers, but has the keys {sorted(tree)} here ({layer})."
                )
            return tree.get(tower)
        return tree
