"""The plot of `makalu energy`: energy a MAC by PE and format, stacked by part."""

import io
from collections.abc import Sequence

from matplotlib.figure import Figure as Canvas

from makalu.sw.results import Figure

__all__ = ["energy_plot"]

_PARTS = {"clock": "#8d99ae", "registers": "#457b9d", "logic": "#e9a03b", "nets": "#c8553d"}
_DPI = 110


def energy_plot(figures: Sequence[Figure]) -> bytes:
    """PNG of the figures of netlists with clock gates: a bar a PE and format, in pJ a MAC; above it the ratio."""
    values = {figure.name: figure.value for figure in figures}
    cases = [name.removesuffix("_mac_ratio") for name in values if name.startswith("gated_") and _is_ratio(name)]
    canvas = Canvas((8.4, 3.9), dpi=_DPI, layout="constrained")
    axis = canvas.subplots()
    places = range(len(cases))
    floor = [0.0] * len(cases)
    for part, colour in _PARTS.items():
        heights = [float(values[f"{case}_{part}_pj"]) / float(values[f"{case}_macs"]) for case in cases]
        axis.bar(places, heights, 0.62, bottom=floor, color=colour, label=part)
        floor = [below + height for below, height in zip(floor, heights, strict=True)]
    for place, case in zip(places, cases, strict=True):
        axis.annotate(
            f"{float(values[f'{case}_mac_ratio']):.2f} x",
            (place, floor[place]),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
        )
    axis.set_xticks(places, [case.removeprefix("gated_").replace("_", "\n") for case in cases])
    axis.set_ylabel("pJ a MAC, glitches and wires in")
    axis.set_title("One PE in a 180 nm library (osu018), with clock gates; ratio to bf16 on trn1's PE", fontsize=10)
    axis.set_ylim(0, max(floor) * 1.12)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=9)
    out = io.BytesIO()
    canvas.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _is_ratio(name: str) -> bool:
    return name.endswith("_mac_ratio") and not name.endswith("bare_mac_ratio")
