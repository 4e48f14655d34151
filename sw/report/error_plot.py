"""The picture of `makalu bench --part errors`: by K the errors of types and of additions, beside the derived bound."""

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from .theme import INKS, SERIES

__all__ = ["error_picture"]

_TEXT, _MUTED, _LINE = (INKS[role][0] for role in ("text", "muted", "line"))
_SETTINGS: Any = {
    "font.size": 9,
    "text.color": _TEXT,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _MUTED,
    "axes.titlesize": 10,
    "xtick.color": _LINE,
    "ytick.color": _LINE,
    "xtick.labelcolor": _MUTED,
    "ytick.labelcolor": _MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 4,
}
_PANELS: tuple[tuple[str, tuple[tuple[str, str], ...], float], ...] = (
    ("rounding the operands\n||difference|| / ||exact||", (("format", "o-"),), 0.04),
    ("adding the products\n||difference|| / ||exact||", (("golden", "o-"), ("fp32_in_order", "--")), 0.04),
    ("adding: largest of one result\nof its sum of magnitudes", (("golden_most", "o-"), ("bound", ":")), 0.62),
)
"""Label of the axis, (column, style) of the curves, and how high there is room for a line of text."""
_STYLES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("the array (golden)", {"linestyle": "-", "marker": "o"}),
    ("numpy fp32, in order", {"linestyle": "--"}),
    ("derived bound", {"linestyle": ":"}),
)


def error_picture(
    values: Mapping[str, float], types: Mapping[str, str], distributions: Mapping[str, str], sizes: Sequence[int]
) -> bytes:
    """PNG. `values`: by TYPE_DISTRIBUTION_K_COLUMN; `types` and `distributions`: what the picture calls them.

    A value of 0 has no point; a type without any is named.
    """
    with mpl.rc_context(_SETTINGS):
        figure = Figure((9.6, 9.4), facecolor="white")
        axes = figure.subplots(len(_PANELS), len(distributions), sharex=True, sharey="row")
        colours = dict(zip(types, SERIES, strict=True))
        for axis_row, (label, curves, height) in zip(axes, _PANELS, strict=True):
            for axis, distribution in zip(axis_row, distributions, strict=True):
                for name, colour in colours.items():
                    for column, style in curves:
                        ys = [values[f"{name}_{distribution}_{size}_{column}"] or math.nan for size in sizes]
                        axis.plot(sizes, ys, style, color=colour)
                _scales(axis, sizes)
                column = curves[0][0]
                none = [
                    title
                    for name, title in types.items()
                    if not any(values[f"{name}_{distribution}_{size}_{column}"] for size in sizes)
                ]
                if none:
                    text = f"{', '.join(none)}: exact, 0"
                    axis.text(0.98, height, text, transform=axis.transAxes, ha="right", color=_MUTED)
            axis_row[0].set_ylabel(label)
        for axis, title in zip(axes[0], distributions.values(), strict=True):
            axis.set_title(title, color=_TEXT)
        for axis in axes[-1]:
            axis.set_xlabel("K, products of a result")
        handles = [Line2D([], [], color=colour, label=types[name]) for name, colour in colours.items()]
        handles += [Line2D([], [], color=_MUTED, label=text, **style) for text, style in _STYLES]
        figure.legend(handles=handles, loc="lower center", ncols=3, frameon=False)
        figure.subplots_adjust(left=0.11, right=0.985, top=0.965, bottom=0.135, hspace=0.12, wspace=0.06)
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=110, metadata={"Software": None})
        return picture.getvalue()


def _scales(axis: Axes, sizes: Sequence[int]) -> None:
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xticks(sizes[1::2])
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.minorticks_off()
    axis.grid(color=_LINE, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(length=0)
