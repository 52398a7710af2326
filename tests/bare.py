"""What docgraph does without its extras, and what each command and import says that needs one."""

LIGHT = {"view", "parse", "recipes", "chunk", "index", "search", "data", "nodes"}
"""Verbs that the base install runs."""

COMMANDS = {
    "train": ("train --recipe news-scratch --data data --output run", "train"),
    "evaluate": ("evaluate run --data data", "train"),
    "predict": ("predict run page.html", "train"),
    "embed": ("embed page.html --output vectors.parquet", "parquet"),
    "adapt": ("adapt page.html --output model", "embed"),
    "compare": ("compare --recipe news-scratch --data data --output runs", "train"),
    "zero-shot": ("zero-shot model --data data", "train"),
    "demo": ("demo", "train"),
    "mcp": ("mcp pages.index", "mcp"),
    "parse": ("parse page.html --output trees.parquet", "parquet"),
    "chunk": ("chunk page.html --output chunks.parquet", "parquet"),
    "index": ("index page.html --output pages.index --model model", "embed"),
}
"""Verb -> arguments with which it needs an extra, and that extra; page.html is in the folder, the rest is not."""

IMPORTS = {
    "from encoders import DocumentModel": "models",
    "from encoders.forest.batch import TreeBatch": "models",
    "from encoders import zero_shot": "models",
    "from training.fit import fit": "train",
    "import training.adapt.trainer": "train",
    "from docgraph.index import Index; Index.open('x.index', create=True, store='lancedb')": "search",
}

WALK = """
import importlib, pkgutil, sys
import docgraph
for module in pkgutil.walk_packages(docgraph.__path__, "docgraph."):
    importlib.import_module(module.name)
print(len([name for name in sys.modules if name.startswith("docgraph.")]), \
*{name.partition(".")[0] for name in sys.modules})
"""
"""Imports all of docgraph; prints how many modules, and all packages that are loaded then."""


def says_the_extra(message: str, extra: str) -> bool:
    """Whether a message is one sentence that names an extra and how to install it."""
    line = message.strip().splitlines()[-1]
    return " needs " in line and line.endswith(f'which the extra {extra!r} brings: pip install "docgraph[{extra}]".')
