"""Chromium for tests: those that need it skip where it is not installed, and say so."""

import pytest

from docgraph.errors import RenderError
from docgraph.render.chromium import find_chromium


def _missing() -> str:
    try:
        find_chromium()
    except RenderError as error:
        return str(error)
    return ""


needs_chromium = pytest.mark.skipif(bool(_missing()), reason=_missing() or "Chromium is there")
