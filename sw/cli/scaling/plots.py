"""The plots of the report: a roofline a generation, utilisation by kernel, and the products that ratios are made of.

Each returns a figure in the colours that it is given by name: `svg` draws it for the page, which knows day and night,
`png` for the docs.
"""

import io
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from makalu.spec.preset import load_preset
from makalu.sw.cli.scaling.generations import MEASURED, PRINTED, Comparison
from makalu.sw.cli.scaling.kinds import KINDS
from makalu.sw.cli.scaling.runs import Run
from makalu.sw.cli.scaling.suite import SUITE
from makalu.sw.report.plots import LEGEND, SETTINGS, svg_element
from makalu.sw.report.theme import COLOURS, stand_in

__all__ = ["decomposition", "png", "rooflines", "svg", "utilisation"]

Ink = Callable[[str], str]
"""A colour by what it means."""
Draw = Callable[[Ink], Figure]

_KIND_INKS = {
    "bf16": "part-moving",
    "fp32": "muted",
    "e4m3": "part-engine busy",
    "e4m3-double_row": "part-after",
    "e4m3fn_x4-mx": "part-semaphore",
    "e2m1_x4-mx": "part-fetch",
}
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "h")
_DOTS = 144
"""A PNG's pixels an inch."""


def svg(draw: Draw, name: str, title: str) -> str:
    """As an element of the page."""
    with mpl.rc_context(SETTINGS):
        return svg_element(draw(stand_in), name, title)


def png(draw: Draw) -> bytes:
    """By day, on white."""
    plain = {stand_in(role): pair[0] for role, pair in COLOURS.items()}
    settings = {key: plain.get(value, value) if isinstance(value, str) else value for key, value in SETTINGS.items()}
    with mpl.rc_context({**settings, "figure.facecolor": "white"}):
        figure = draw(lambda role: COLOURS[role][0])
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=_DOTS, metadata={"Software": None})
    return out.getvalue()


def rooflines(runs: Sequence[Run], presets: Sequence[str]) -> Draw:
    """Operations a cycle over operations a byte of memory, one axis a preset, both by decades.

    A point is a kernel from start to end. Of those whose operands are in SBUF before, a hollow point above is what the
    array alone did.
    """

    def draw(ink: Ink) -> Figure:
        figure = Figure((11.6, 5.4))
        axes = figure.subplots(1, len(presets), sharey=True, squeeze=False)[0]
        figure.subplots_adjust(left=0.075, right=0.99, top=0.94, bottom=0.23, wspace=0.06)
        for axis, preset in zip(axes, presets, strict=True):
            mine = [run for run in runs if run.preset == preset and run.macs]
            _roof(axis, preset, mine, ink)
            for run in mine:
                colour = ink(_KIND_INKS[run.kind])
                marker: Any = {"marker": _marker(run.kernel), "markersize": 6.5, "color": colour, "linestyle": ""}
                x, low, high = 2 * run.macs / run.bytes, 2 * run.macs / run.total_cycles, 2 * run.macs_per_cycle
                axis.plot([x], [low], **marker)
                if not run.whole:
                    axis.plot([x, x], [low, high], color=colour, linewidth=0.8, linestyle=":")
                    axis.plot([x], [high], markerfacecolor="none", **marker)
        axes[0].set_ylabel("operations a cycle")
        shown = [kernel for kernel in SUITE if any(run.kernel == kernel and run.macs for run in runs)]
        dots = [Line2D([], [], linestyle="", marker=_marker(k), color=ink("text"), label=k) for k in shown]
        kinds = [kind for kind in _KIND_INKS if any(run.kind == kind for run in runs)]
        lines = [Line2D([], [], linestyle="", marker="o", color=ink(_KIND_INKS[k]), label=k) for k in kinds]
        figure.legend(handles=dots, loc="lower left", bbox_to_anchor=(0.075, 0.05), ncols=len(dots), **LEGEND)
        figure.legend(handles=lines, loc="lower left", bbox_to_anchor=(0.075, 0.005), ncols=len(lines), **LEGEND)
        return figure

    return draw


def _roof(axis: Axes, preset: str, runs: Sequence[Run], ink: Ink) -> None:
    config = load_preset(preset)
    memory, port = float(config.memory.rate), float(config.bus.data_bytes)
    tops = {2 * KINDS[run.kind].ceiling(config): run.kind for run in sorted(runs, key=lambda r: -_order(r.kind))}
    low, high = 0.5, 4000.0
    top = max(tops, default=1.0)
    for slope, style, name in ((memory, "-", "memory"), (port, "--", "port, one way")):
        label = f"{name}: {slope:g} bytes/cycle"
        ends = [low, top / slope], [low * slope, top]
        axis.plot(*ends, color=ink("second"), linewidth=1.1, linestyle=style, label=label)
    for height, kind in tops.items():
        axis.plot([height / max(memory, port), high], [height, height], color=ink("muted"), linewidth=0.9)
        note: Any = {"ha": "right", "va": "bottom", "fontsize": 8, "color": ink("muted")}
        axis.text(high * 0.92, height * 1.04, _named(kind), **note)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(low, high)
    axis.minorticks_off()
    axis.grid(color=ink("line"), linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(length=0)
    axis.set_title(preset, fontsize=11, color=ink("text"))
    axis.legend(loc="lower right", **{**LEGEND, "fontsize": 8, "handlelength": 1.6})
    axis.set_xlabel("operations a byte of memory")
    for each in (axis.xaxis, axis.yaxis):
        each.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def utilisation(runs: Sequence[Run], presets: Sequence[str]) -> Draw:
    """Share of the kind's ceiling, one axis a preset, one bar a kernel and kind."""
    kernels = [name for name in SUITE if any(run.kernel == name and run.macs for run in runs)]

    def draw(ink: Ink) -> Figure:
        figure = Figure((11.6, 6.4))
        axes = figure.subplots(1, len(presets), sharey=True, squeeze=False)[0]
        figure.subplots_adjust(left=0.085, right=0.99, top=0.95, bottom=0.1, wspace=0.06)
        for axis, preset in zip(axes, presets, strict=True):
            for y, kernel in enumerate(kernels):
                mine = sorted(
                    (r for r in runs if (r.preset, r.kernel) == (preset, kernel)), key=lambda r: _order(r.kind)
                )
                for i, run in enumerate(mine):
                    height = 0.84 / max(len(mine), 1)
                    place = y - 0.42 + height * (i + 0.5)
                    share = 100 * run.utilisation
                    axis.barh(place, share, height=height * 0.9, color=ink(_KIND_INKS[run.kind]), linewidth=0)
                    text: Any = {"va": "center", "fontsize": 7, "color": ink("muted")}
                    axis.text(share + 1.2, place, f"{share:.0f}" if 1 <= share < 99 else f"{share:.1f}", **text)
            axis.set_yticks(range(len(kernels)), kernels)
            axis.set_xlim(0, 112)
            axis.set_xticks([0, 25, 50, 75, 100])
            axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} %"))
            axis.grid(axis="x", color=ink("line"), linewidth=0.6)
            axis.set_axisbelow(True)
            axis.tick_params(length=0)
            axis.spines["left"].set_visible(False)
            axis.set_title(preset, fontsize=11, color=ink("text"))
        axes[0].invert_yaxis()
        kinds = [kind for kind in _KIND_INKS if any(run.kind == kind for run in runs)]
        bars = [Line2D([], [], linestyle="", marker="s", color=ink(_KIND_INKS[k]), label=k) for k in kinds]
        figure.legend(handles=bars, loc="lower left", bbox_to_anchor=(0.085, 0.01), ncols=len(bars), **LEGEND)
        return figure

    return draw


def decomposition(comparisons: Sequence[Comparison]) -> Draw:
    """One axis a comparison: each factor from where those before it end; then what leads to the printed ratio."""
    columns = 3

    def draw(ink: Ink) -> Figure:
        lines = -(-len(comparisons) // columns)
        figure = Figure((11.6, 3.2 * lines))
        grid = figure.subplots(lines, columns, squeeze=False)
        height = figure.get_figheight()
        figure.subplots_adjust(
            left=0.155, right=0.985, top=1 - 0.3 / height, bottom=0.3 / height, hspace=0.3, wspace=0.62
        )
        for axis, comparison in zip(grid.flat, comparisons, strict=False):
            _steps(axis, comparison, ink)
        for axis in grid.flat[len(comparisons) :]:
            axis.set_visible(False)
        return figure

    return draw


def _steps(axis: Axes, comparison: Comparison, ink: Ink) -> None:
    at, names, ends = 1.0, [], [1.0]
    colours = {MEASURED: "part-semaphore", PRINTED: "part-engine busy"}
    shown = [(a, r) for a, _, r in comparison.factors if a.side != PRINTED]
    for y, (factor, ratio) in enumerate(shown):
        colour = ink(colours.get(factor.side, "part-moving"))
        axis.barh(y, at * ratio - at, left=at, height=0.62, color=colour, linewidth=0)
        axis.plot([at * ratio] * 2, [y - 0.31, y + 1.31], color=ink("muted"), linewidth=0.7)
        _note(axis, y, max(at, at * ratio), f"\u00d7 {ratio:.3g}", ink)
        at *= ratio
        names.append(factor.name.split(" [")[0])
        ends.append(at)
    y = len(shown)
    _total(axis, y, at, "accent", ink)
    names.append("measured")
    for name, cause in comparison.causes().items():
        y += 1
        side = MEASURED if any(f.name == name and f.side == MEASURED for f, _ in shown) else PRINTED
        axis.barh(y, at / cause - at, left=at, height=0.62, color=ink(colours[side]), linewidth=0)
        _note(axis, y, max(at, at / cause), f"\u00d7 {1 / cause:.3g}", ink)
        at /= cause
        ends.append(at)
        names.append(f"\u00f7 {name}" if side == MEASURED else name.split(" over ")[0])
    _total(axis, y + 1, at, "part-engine busy", ink)
    names.append("printed")
    if comparison.announced is not None:
        _total(axis, y + 2, comparison.announced, "muted", ink)
        names.append("announced")
        ends.append(comparison.announced)
    low, high = min(*ends, 0.9), max(ends)
    axis.set_xscale("log", base=2)
    axis.set_xlim(low * 0.92, high * 2.2)
    ticks = [t for t in (0.25, 0.5, 1, 2, 4, 8, 16, 32) if low * 0.92 <= t <= high * 1.2]
    axis.xaxis.set_major_locator(FixedLocator(ticks))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.invert_yaxis()
    axis.axvline(1, color=ink("line"), linewidth=1, zorder=0)
    axis.tick_params(length=0, labelsize=8)
    axis.spines[["left", "bottom"]].set_visible(False)
    axis.set_title(comparison.name, fontsize=10, color=ink("text"), loc="left")


def _note(axis: Axes, y: int, x: float, text: str, ink: Ink, weight: str = "normal") -> None:
    axis.text(x * 1.06, y, text, va="center", fontsize=8, fontweight=weight, color=ink("text"))


def _total(axis: Axes, y: int, value: float, colour: str, ink: Ink) -> None:
    axis.barh(y, value - 1, left=1, height=0.62, color=ink(colour), linewidth=0)
    _note(axis, y, max(value, 1), f"{value:.3g}", ink, "bold")


def _marker(kernel: str) -> str:
    return _MARKERS[list(SUITE).index(kernel) % len(_MARKERS)]


def _order(kind: str) -> int:
    return list(_KIND_INKS).index(kind)


def _named(kind: str) -> str:
    """What stands at a ceiling: of those with the same, the first."""
    return {"bf16": "bf16, fp8", "e4m3-double_row": "fp8 double row", "e4m3fn_x4-mx": "MX"}.get(kind, kind)
