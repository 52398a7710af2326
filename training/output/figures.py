"""Figures as PNG, drawn without a display."""

import io
from typing import Any

from docgraph.errors import needs_extra


def new_figure(width: float, height: float) -> Any:
    """Return an empty matplotlib figure of some inches.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with needs_extra("drawing a figure"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def png(figure: Any) -> bytes:
    """Return a figure as PNG, 120 pixels an inch."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
