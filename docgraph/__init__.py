"""Documents as nested signals: trees of text and images, parsed from pages, sites, plain text and articles.

    parse_html  parse_article  parse_text  parse_markdown  parse_site  load_document  parse_many ──> Document ──> Node

The public names stand in `__init__.pyi`, for type checkers and for this file. Each is loaded when it is first used:
`import docgraph` costs a few milliseconds, and none of it ever loads torch.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
