"""The report as one HTML page that needs nothing else; its words are in `page.html`, its look is that of a run's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from makalu.sw.cli.scaling.plots import Draw, decomposition, rooflines, svg, utilisation
from makalu.sw.cli.scaling.tables import SIZES, Report, tables
from makalu.sw.report.page import style

__all__ = ["drawings", "page"]

_FOLDER = Path(__file__).parent


def drawings(report: Report) -> dict[str, tuple[str, Draw]]:
    """Title and drawing by name: three of each size that was measured."""
    out: dict[str, tuple[str, Draw]] = {}
    for size in SIZES:
        presets = list(report.presets(size).values())
        if not presets:
            continue
        out[f"roofline-{size}"] = (f"Rooflines of {size}-size cores", rooflines(report.runs, presets))
        out[f"utilisation-{size}"] = (f"Use of the array on {size}-size cores", utilisation(report.runs, presets))
        if compared := report.comparisons(size):
            out[f"factors-{size}"] = (f"Ratios as products, from {size}-size cores", decomposition(compared))
    return out


def page(report: Report, measured: Mapping[str, Any]) -> str:
    """`measured`: the record of the figures, for its date and versions."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawn = {name: (title, Markup(svg(draw, name, title))) for name, (title, draw) in drawings(report).items()}
    wrong, compared = sum(run.mismatched for run in report.runs), sum(run.compared for run in report.runs)
    return environment.get_template("page.html").render(
        style=Markup(style()),
        plots=drawn,
        tables=list(tables(report)),
        sizes=[size for size in SIZES if report.presets(size)],
        measured=measured,
        checked={
            "rows": len(report.runs),
            "rtl": sum(1 for run in report.runs if run.compared),
            "wrong": wrong,
            "compared": compared,
        },
        comparisons={size: report.comparisons(size) for size in SIZES},
    )
