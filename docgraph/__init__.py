"""Documents as nested signals: trees of text and images, parsed from pages, sites, plain text and articles.

    parse_html  parse_article  parse_text  parse_markdown  parse_site  load_document  parse_many ──> Document ──> Node

kinds node                 what a node is; `headings` over it; its `main_text`
records columns document   what a document is made of, and what becomes of it: join, without, formats/, chunks, pairs
builder                    makes one, row by row; metadata, sentences, ids
parsers/ load              bytes to documents, within `limits`; render/ by Chromium; bulk/ many files, on all cores
images                     opened late, from allowed places: image_bytes, image_headers, fetch
passages/ embedding/       what an encoder reads at once; vectors of nodes, without torch
index/ view/               search; a document as a page to look at
errors locks file_names    for all of it

The public names stand in `__init__.pyi`, for type checkers and for this file. Each is loaded when it is first used:
`import docgraph` costs a few milliseconds, and none of it ever loads torch.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
