"""Figures of matplotlib, which only those who train or evaluate have."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from ruie.errors import UnavailableError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """An empty one, sizes in inches. Raises `UnavailableError` where matplotlib is not
    installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UnavailableError(
            "The chart needs the library matplotlib.",
            'Install it, alone or with everything for training: pip install "ruie[train]".',
        ) from None
    return Figure(figsize=(width, height), dpi=160, layout="constrained")


def as_png(figure: Figure) -> bytes:
    """The picture."""
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()
