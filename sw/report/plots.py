"""The plots of a report, by matplotlib, as SVG that stands inside a page: its text is text, its colours are the page's.

Each takes a part of `summary` and returns the element.
"""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from .theme import FILLS, stand_in, themed
from .units import label

__all__ = ["LEGEND", "SETTINGS", "bars", "over_time", "roofline_plot", "svg_element"]

_INK, _MUTED, _LINE = stand_in("text"), stand_in("muted"), stand_in("line")
_ACCENT, _SECOND = stand_in("accent"), stand_in("second")
_POINTS = 800
"""At most, of a curve: what is drawn between two of them is the larger."""
SETTINGS: Any = {
    "svg.fonttype": "none",
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _MUTED,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "xtick.color": _LINE,
    "ytick.color": _LINE,
    "xtick.labelcolor": _MUTED,
    "ytick.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
LEGEND: Any = {
    "frameon": False,
    "fontsize": 9,
    "handlelength": 0.9,
    "handleheight": 0.9,
    "handletextpad": 0.5,
    "columnspacing": 1.2,
    "borderpad": 0,
}


def over_time(activity: Mapping[str, Any], memories: Sequence[Mapping[str, Any]], cycles: int) -> str:
    """One strip an engine, its height the busy share; below, bytes a partition in live tiles."""
    engines = activity["engines"]
    memories = [memory for memory in memories if memory["steps"]]
    with mpl.rc_context(SETTINGS):
        ratios = [1.0] * len(engines) + [1.7] * len(memories)
        figure = Figure((11.6, 0.42 * sum(ratios) + 0.5))
        axes = figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios, squeeze=False)[:, 0]
        figure.subplots_adjust(left=0.105, right=0.995, top=0.99, bottom=0.45 / figure.get_figheight(), hspace=0.28)
        for axis, (name, shares) in zip(axes, engines.items(), strict=False):
            edges = [min(i * activity["bin_cycles"], cycles) for i in range(len(shares) + 1)]
            axis.stairs(shares, edges, fill=True, color=stand_in("part-moving"), linewidth=0)
            _strip(axis, label(name), 1)
        for axis, memory in zip(axes[len(engines) :], memories, strict=True):
            xs, ys = _thinned(memory["steps"], cycles)
            axis.stairs(ys, xs, fill=True, color=_SECOND, alpha=0.35, linewidth=0)
            axis.stairs(ys, xs, color=_SECOND, linewidth=1, baseline=None)
            _strip(axis, label(memory["memory"]), max(memory["peak"], 1) * 1.12)
        axes[-1].set_xlim(0, cycles)
        axes[-1].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes[-1].set_xlabel("cycles from the start")
        return svg_element(figure, "over-time", "Busy share of each engine and bytes in live tiles, over time")


def bars(rows: Sequence[Mapping[str, Any]], key: str, cycles: int, title: str) -> str:
    """One stacked bar a row, its parts by cause; the parts of each add up to the run's cycles."""
    with mpl.rc_context(SETTINGS):
        figure = Figure((5.75, 0.36 * len(rows) + 0.95))
        axis = figure.subplots()
        names = [label(row[key]) for row in rows]
        drawn: dict[str, Any] = {}
        for y, row in enumerate(rows):
            at = 0.0
            for part, amount in row["parts"].items():
                share = 100 * amount / cycles
                colour = stand_in(f"part-{part}")
                drawn[part] = axis.barh(y, share, left=at, height=0.62, color=colour, linewidth=0)
                at += share
        axis.set_yticks(range(len(rows)), names)
        axis.invert_yaxis()
        axis.set_xlim(0, 100)
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} %"))
        axis.tick_params(length=0)
        axis.spines[["left", "bottom"]].set_visible(False)
        height = figure.get_figheight()
        figure.subplots_adjust(left=0.16, right=0.955, top=1 - 0.02 / height, bottom=0.85 / height)
        shown = [part for part in FILLS if part in drawn]
        place: Any = {"loc": "upper left", "bbox_to_anchor": (-0.2, -0.26 / (height - 0.87))}
        axis.legend([drawn[part] for part in shown], shown, **place, **LEGEND, ncols=4)
        return svg_element(figure, f"bars-{key}", title)


def roofline_plot(roof: Mapping[str, Any]) -> str:
    """Operations a cycle over operations a byte, both by decades; no point where nothing multiplies."""
    peak, intensity = roof["peak_operations_per_cycle"], roof["intensity"]
    slopes = {"memory": roof["memory_bytes_per_cycle"], "port, one way": roof["port_bytes_per_cycle"]}
    ridges = [peak / slope for slope in slopes.values()]
    low = min([*ridges, *([intensity] if intensity else [])]) / 12
    high = max([*ridges, *([intensity] if intensity else [])]) * 8
    with mpl.rc_context(SETTINGS):
        figure = Figure((5.75, 3.55))
        axis = figure.subplots()
        figure.subplots_adjust(left=0.145, right=0.98, top=0.97, bottom=0.14)
        for (name, slope), colour in zip(slopes.items(), (_SECOND, _MUTED), strict=True):
            axis.plot([low, peak / slope], [low * slope, peak], color=colour, label=f"{name}: {slope:g} bytes/cycle")
        axis.plot([min(ridges), high], [peak, peak], color=_INK, label=f"array: {peak:,} operations/cycle")
        floor = low * min(slopes.values()) / 1.5
        if roof["operations"] and intensity:
            reached = roof["operations_per_cycle"]
            floor = min(floor, reached / 3)
            axis.vlines(intensity, reached, roof["bound"], color=_ACCENT, linewidth=1, linestyles=":")
            axis.plot([intensity], [reached], "o", color=_ACCENT, markersize=8)
            text = f"{reached:,.0f} of {roof['bound']:,.0f}"
            place: Any = {"xytext": (9, -13), "textcoords": "offset points"}
            axis.annotate(text, (intensity, reached), color=_ACCENT, fontweight="bold", **place)
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlim(low, high)
        axis.set_ylim(floor, peak * 2.2)
        axis.minorticks_off()
        axis.grid(color=_LINE, linewidth=0.6)
        axis.set_axisbelow(True)
        axis.tick_params(length=0)
        for each in (axis.xaxis, axis.yaxis):
            each.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axis.legend(loc="lower right", **{**LEGEND, "handlelength": 1.4})
        axis.set_xlabel("operations a byte of memory")
        axis.set_ylabel("operations a cycle")
        return svg_element(figure, "roofline", "Roofline of the core with the kernel's point")


def _strip(axis: Axes, name: str, top: float) -> None:
    axis.set_ylim(0, top)
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    axis.tick_params(length=0)
    axis.set_ylabel(name, rotation=0, ha="right", va="center", color=_INK, labelpad=8)


def _thinned(steps: Sequence[Sequence[int]], cycles: int) -> tuple[list[int], list[int]]:
    """(edges, heights); with many steps the largest of each bin, what reached into it included."""
    xs, ys = [0, *(cycle for cycle, _ in steps), cycles], [0, *(held for _, held in steps)]
    if len(ys) <= _POINTS:
        return xs, ys
    width = -(-cycles // _POINTS)
    edges = [*range(0, cycles, width), cycles]
    heights = [0] * (len(edges) - 1)
    for begin, end, held in zip(xs, xs[1:], ys, strict=False):
        for i in range(begin // width, -(-end // width)):
            heights[i] = max(heights[i], held)
    return edges, heights


def svg_element(figure: Figure, name: str, title: str) -> str:
    """As an element: ids of its own, as wide as its place, no fixed font."""
    text = io.StringIO()
    with mpl.rc_context({**SETTINGS, "svg.hashsalt": name}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"(\d\.\d\d)\d+", r"\1", svg)
    svg = re.sub(r'<svg ([^>]*?)height="[^"]*" ([^>]*?)width="[^"]*"', r"<svg \1\2", svg, count=1)
    svg = re.sub(r"""'DejaVu Sans'[^;"]*""", "var(--font)", svg)
    svg = re.sub(r'id="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'(href="|url\()#', rf"\1#{name}-", svg)
    return themed(svg.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1))
