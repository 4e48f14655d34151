"""Toggles times energies: what a netlist drew in the cycles of a run, by part."""

from dataclasses import dataclass
from statistics import fmean

from .cells import Library, Pin
from .gates import Activity, Wires, clock_nets, loads
from .netlist import Netlist

__all__ = ["NO_WIRES", "WIRES", "Energy", "area_of", "energy_of", "leakage_of"]

NO_WIRES, WIRES = Wires(0.0, 0.0), Wires(0.005, 0.005)
"""The fixed model of wires: 5 fF a net, and 5 fF more for each pin that it drives."""


@dataclass(frozen=True, kw_only=True)
class Energy:
    """pJ a cycle.

    A transition of a net costs half of C V^2 of its load, and what the library says of the inside of the cell that
    drives it (for that load, the mean of the arcs: which input caused it is not looked at). A transition of an input
    pin costs what the library has for it: of flip-flops and latches. The nets of the component's inputs count, those
    that only its outputs drive do not: they are the neighbour's inputs.
    """

    clock: float
    """Nets, pins and gates of the clock."""
    registers: float
    """Inside flip-flops, but for their clock pins."""
    logic: float
    """Inside all other cells."""
    nets: float
    """Loads of all nets but the clock's."""
    toggles: float
    """Of nets that a cell of logic drives, a cycle."""

    @property
    def total(self) -> float:
        return self.clock + self.registers + self.logic + self.nets


def energy_of(netlist: Netlist, cells: Library, activity: Activity, wires: Wires) -> Energy:
    """Does not: count leakage (`leakage_of`)."""
    load = loads(netlist, cells, wires)
    clocks = clock_nets(netlist, cells)
    parts = dict.fromkeys(("clock", "registers", "logic", "nets"), 0.0)
    toggles = 0
    for net, capacitance in load.items():
        changes = activity.rises.get(net, 0) + activity.falls.get(net, 0)
        parts["clock" if net in clocks else "nets"] += 0.5 * capacitance * cells.volts**2 * changes
    for each in netlist.instances:
        cell = cells.cells[each.cell]
        # of a clock gate: what drives a clock net, and the latch in front of it
        of_clock = any(net in clocks for name, net in each.pins.items() if cell.pins[name].is_output)
        of_clock |= cell.state is not None and cell.state.kind == "latch"
        part = "clock" if of_clock else "logic" if cell.state is None else "registers"
        for name, net in each.pins.items():
            pin, both = cell.pins[name], (activity.rises.get(net, 0), activity.falls.get(net, 0))
            parts["clock" if pin.is_clock else part] += _inside(pin, both, load.get(net, 0.0))
            if pin.is_output and part == "logic":
                toggles += sum(both)
    cycles = activity.cycles
    return Energy(**{name: value / cycles for name, value in parts.items()}, toggles=toggles / cycles)


def _inside(pin: Pin, changes: tuple[int, int], load: float) -> float:
    return sum(
        count * fmean(curve.at(load) for curve in curves)
        for count, curves in zip(changes, pin.energy, strict=True)
        if count and curves
    )


def leakage_of(netlist: Netlist, cells: Library) -> float:
    """nW, whatever the inputs are."""
    return sum(cells.cells[each.cell].leakage for each in netlist.instances)


def area_of(netlist: Netlist, cells: Library) -> float:
    """In the library's units, um^2."""
    return sum(cells.cells[each.cell].area for each in netlist.instances)
