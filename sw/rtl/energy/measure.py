"""One PE, one kind of operands: netlist, run, results judged, energies."""

from collections.abc import Mapping
from dataclasses import dataclass

from .account import NO_WIRES, WIRES, Energy, energy_of
from .cells import Library
from .gates import Activity, run_gates
from .netlist import CLOCK, Netlist
from .operands import Play, finalised

__all__ = ["Measured", "measure", "mismatches"]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """`energies[glitches, wires]`; `wrong` of `judged` results of both runs are not golden's."""

    energies: Mapping[tuple[bool, bool], Energy]
    judged: int
    wrong: int


def measure(netlist: Netlist, cells: Library, play: Play) -> Measured:
    """Two runs: every net changes once a cycle at most, and with delays. Errors: `GatesError`."""
    energies, judged, wrong = {}, 0, 0
    for glitches in (False, True):
        activity = run_gates(
            netlist, cells, _words(netlist, play), measured=play.measured, wires=WIRES if glitches else None
        )
        judged += len(play.sums)
        wrong += mismatches(netlist, play, activity)
        for wires in (False, True):
            energies[glitches, wires] = energy_of(netlist, cells, activity, WIRES if wires else NO_WIRES)
    return Measured(energies=energies, judged=judged, wrong=wrong)


def _words(netlist: Netlist, play: Play) -> list[int]:
    """The ports' values beside each other, in the netlist's order."""
    words, low = [0] * len(play.ports["x_in"]), 0
    for name, nets in netlist.inputs.items():
        if name != CLOCK:
            for cycle, value in enumerate(play.ports[name]):
                words[cycle] |= value << low
            low += len(nets)
    return words


def mismatches(netlist: Netlist, play: Play, activity: Activity) -> int:
    """Sums that are not golden's, or unknown."""
    low = 0
    for name, nets in netlist.outputs.items():
        if name == "p_out":
            break
        low += len(nets)
    wrong = 0
    for cycle, want in play.sums.items():
        word = activity.outputs[cycle]
        got = None if word is None else finalised(word >> low & (1 << len(netlist.outputs["p_out"])) - 1)
        wrong += got != want
    return wrong
