"""How Sphinx builds these pages: Markdown by MyST, the Furo theme, the reference from the docstrings. Offline."""

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert

import docgraph

project = "docgraph"
author = "the docgraph developers"
release = version = docgraph.__version__
project_copyright = "2026, the docgraph developers. Apache-2.0"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "attrs_block"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": False}
autodoc_class_signature = "separated"
napoleon_use_rtype = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True
nitpicky = False

html_theme = "furo"
html_title = f"docgraph {release}"
html_static_path = ["_static"]
html_copy_source = False
html_show_sphinx = False
html_math_renderer = "mathml"


def _inline(self: Any, node: nodes.Element) -> None:
    self.body.append(convert(node.astext()))
    raise nodes.SkipNode


def _display(self: Any, node: nodes.Element) -> None:
    self.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> None:
    """Write formulas as MathML, which browsers read without a script or a network."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_display, None))
