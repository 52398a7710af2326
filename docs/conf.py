"""How Sphinx builds these pages: Markdown by MyST, the Furo theme, the reference from the docstrings. Offline."""

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
mathjax_path = "mathjax.js"
