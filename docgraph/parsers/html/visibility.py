"""What nobody sees: elements hidden by their own markup.

Sources: HTML Living Standard 6.1 (`hidden`), 15.3.1; the class names under which sites hide text for screen readers.
"""

import re
from typing import Final

from docgraph.parsers.html.elements import Attributes
from docgraph.parsers.html.tags import HIDING_STYLE, hides_by_class

_MAY_HIDE: Final = re.compile(r"none|hidden|collapse", re.I).search


def is_hidden(tag: str, attributes: Attributes) -> bool:
    """Whether an element and all in it are hidden from the eye by its own markup."""
    if "hidden" in attributes:
        return True
    style = attributes.get("style")
    if style and _MAY_HIDE(style) and HIDING_STYLE.search(style):
        return True
    names = attributes.get("class")
    if names and hides_by_class(names):
        return True
    if tag == "dialog":
        return "open" not in attributes
    return tag == "input" and attributes.get("type", "").lower() == "hidden"
