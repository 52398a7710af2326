"""`docgraph recipes`: the named configurations, and which to take first."""

from typing import Annotated, Final

import typer

EXAMPLES: Final = """\
  docgraph recipes
  docgraph recipes news-scratch > mine.yaml
"""


def run(name: Annotated[str | None, typer.Argument(help="One of them, to print as YAML.")] = None) -> None:
    """List the recipes and what each is for, or print one."""
    from training.recipes import FIRST, RECIPES, recipe

    if name is not None:
        print(recipe(name).to_yaml(), end="")
        return
    width = max(map(len, RECIPES))
    for one, (purpose, _) in RECIPES.items():
        print(f"{one:{width}}  {purpose}")
    print(f"\n{FIRST}")
