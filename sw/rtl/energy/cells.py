"""The cells of a Liberty library, as far as energy needs them: pins, functions, delays, energies, leakage."""

import os
from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from makalu.spec.errors import MakaluError

from .liberty import Group, LibertyError, parse

__all__ = ["LIBRARY", "PACKAGE", "SLEW", "Cell", "Curve", "Library", "LibraryError", "Pin", "have_library", "library"]

PACKAGE = "qflow-tech-osu018"
LIBRARY = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")
"""Where Debian's package has it: 180 nm, 1.8 V, 25 degrees C, typical. Only ever read there."""
SLEW = 0.15
"""Of every transition [ns]: the fixed one at which tables are read."""


class LibraryError(MakaluError, RuntimeError):
    """The library is not installed, or has not what energy needs."""


@dataclass(frozen=True)
class Curve:
    """Delay [ns] or energy [pJ] over the load [pF], at SLEW; beyond the ends it goes on as a straight line."""

    loads: Sequence[float]
    values: Sequence[float]

    def at(self, load: float) -> float:
        """The value at a load."""
        return _line(self.loads, self.values, load)


def _line(places: Sequence[float], values: Sequence[float], at: float) -> float:
    if len(values) == 1:
        return values[0]
    i = min(max(bisect(places, at), 1), len(places) - 1)
    share = (at - places[i - 1]) / (places[i] - places[i - 1])
    return values[i - 1] + share * (values[i] - values[i - 1])


@dataclass(frozen=True, kw_only=True)
class Pin:
    """`energy` and `delay` have the tables of a rise and of a fall, one for each arc."""

    is_output: bool
    is_clock: bool
    capacitance: float
    """pF."""
    function: str
    energy: tuple[tuple[Curve, ...], tuple[Curve, ...]]
    delay: tuple[tuple[Curve, ...], tuple[Curve, ...]]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """`state`: of a flip-flop or latch its group, `ff` or `latch`."""

    name: str
    area: float
    leakage: float
    """nW."""
    pins: Mapping[str, Pin]
    state: Group | None


@dataclass(frozen=True)
class Library:
    """`volts`: its supply."""

    name: str
    volts: float
    cells: Mapping[str, Cell]


def have_library(path: Path = LIBRARY) -> bool:
    """The library is installed. With `MAKALU_REQUIRE_CELLS=1` it must be."""
    found = path.is_file()
    if not found and os.environ.get("MAKALU_REQUIRE_CELLS") == "1":
        raise FileNotFoundError(f"{path} must be there when MAKALU_REQUIRE_CELLS is 1")
    return found


@cache
def library(path: Path = LIBRARY) -> Library:
    """Read a library. Errors: `LibraryError`, `LibertyError`."""
    if not path.is_file():
        raise LibraryError(f"there is no cell library {path}: apt-get install {PACKAGE} (Debian, Ubuntu)")
    root = parse(path.read_text(encoding="utf-8", errors="replace"))
    units = {"time_unit": "1ns", "voltage_unit": "1V", "leakage_power_unit": "1nW"}
    other = [name for name, unit in units.items() if root.text(name) != unit]
    if other or [value.lower() for value in root.attributes.get("capacitive_load_unit", ())] != ["1", "pf"]:
        raise LibraryError(f"{path}: units must be 1ns, 1V, 1nW and 1pf; look at {', '.join(other) or 'the load unit'}")
    axes = {
        group.arguments[0]: group for group in root.all("lu_table_template", "power_lut_template") if group.arguments
    }
    cells = {group.arguments[0]: _cell(group, axes) for group in root.all("cell")}
    return Library(root.arguments[0], float(root.text("nom_voltage")), cells)


def _cell(group: Group, axes: Mapping[str, Group]) -> Cell:
    return Cell(
        name=group.arguments[0],
        area=float(group.text("area", "0")),
        leakage=float(group.text("cell_leakage_power", "0")),
        pins={pin.arguments[0]: _pin(pin, axes) for pin in group.all("pin")},
        state=next(group.all("ff", "latch"), None),
    )


def _pin(group: Group, axes: Mapping[str, Group]) -> Pin:
    def tables(arc: str, *kinds: str) -> tuple[Curve, ...]:
        return tuple(_curve(table, axes) for each in group.all(arc) for table in each.all(*kinds))

    return Pin(
        is_output=group.text("direction") == "output",
        is_clock=group.text("clock") == "true",
        capacitance=float(group.text("capacitance", "0")),
        function=group.text("function"),
        energy=(
            tables("internal_power", "rise_power", "power"),
            tables("internal_power", "fall_power", "power"),
        ),
        delay=(tables("timing", "cell_rise"), tables("timing", "cell_fall")),
    )


def _curve(group: Group, axes: Mapping[str, Group]) -> Curve:
    """A table of slews, of loads and slews, or of one number, at SLEW."""
    template = axes.get(group.arguments[0]) if group.arguments else None
    values = group.numbers("values")
    if template is None:
        return Curve((0.0,), values[:1])
    names = [template.text(f"variable_{n}") for n in (1, 2)]
    first, second = (group.numbers(f"index_{n}") or template.numbers(f"index_{n}") for n in (1, 2))
    if not names[1]:
        if "transition" not in names[0]:
            raise LibertyError(f"a table of {names[0]} alone is not known")
        return Curve((0.0,), (_line(first, values, SLEW),))
    rows = [values[i : i + len(second)] for i in range(0, len(values), len(second))]
    if "capacitance" not in names[0]:
        first, second, rows = second, first, [list(column) for column in zip(*rows, strict=True)]
    return Curve(first, [_line(second, row, SLEW) for row in rows])
