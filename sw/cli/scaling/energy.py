"""Energy a MAC of a generation's PE, where `makalu energy` has measured it."""

from collections.abc import Mapping
from pathlib import Path

from makalu.sw.cli.scaling.kinds import KINDS
from makalu.sw.results import RESULTS, read_results
from makalu.sw.rtl.energy.operands import KINDS as MEASURED

__all__ = ["NOT_MEASURED", "Energies", "read_energies"]

NOT_MEASURED = "not measured"
_FILE = "energy.json"
_NAMES = {
    kind.name: each.name
    for kind in KINDS.values()
    for each in MEASURED.values()
    if (each.container or each.element, each.products) == (kind.form, kind.mode.products)
    and (each.ratio > 1) == kind.mode.tagged
}
"""What that command calls a kind, of those that it measures."""
_FIGURE = "gated_{generation}_{name}_mac"
"""pJ a MAC of the PE with clock gates, glitches and wires, while it multiplies in every cycle."""

Energies = Mapping[tuple[str, str], float]
"""pJ by generation and kind."""


def read_energies(generations: tuple[str, ...], folder: Path = RESULTS) -> dict[tuple[str, str], float]:
    """Those that were measured; none without the file. Errors: `ResultsError` for a file of something else."""
    path = folder / _FILE
    if not path.is_file():
        return {}
    values = {figure.name: figure.value for figure in read_results(path)}
    names = {(g, kind): _FIGURE.format(generation=g, name=name) for g in generations for kind, name in _NAMES.items()}
    return {key: float(values[name]) for key, name in names.items() if name in values}
