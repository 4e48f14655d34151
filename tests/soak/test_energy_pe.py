# amaranth: UnusedElaboratable=no
"""One PE in an open cell library, judged by golden, and a fault in it seen; synthesis first compiles itself."""

from dataclasses import replace

import pytest

from makalu.hw.tensor.pe import Pe
from makalu.spec.preset import load_preset
from makalu.sw.rtl.energy.cells import LIBRARY, PACKAGE, have_library, library
from makalu.sw.rtl.energy.measure import measure
from makalu.sw.rtl.energy.netlist import netlist_of
from makalu.sw.rtl.energy.operands import IDLE, KINDS, play_of


@pytest.mark.skipif(not have_library(), reason=f"needs Debian's {PACKAGE}")
@pytest.mark.icarus
def test_a_pe_is_judged_by_golden_and_a_fault_is_seen():
    tensor = replace(load_preset("fpga").tensor, mul_stages=2, add_stages=2)
    cells = library()
    netlist = netlist_of(Pe(tensor=tensor), cells, LIBRARY, clock_gates=True)
    play = play_of(KINDS["bf16"], tensor, rows=2, columns=8)
    good = measure(netlist, cells, play)
    assert (good.judged, good.wrong) == (32, 0)
    bare, full = good.energies[False, False], good.energies[True, True]
    assert 0 < bare.clock < bare.total < good.energies[False, True].total < full.total
    assert full.toggles > bare.toggles
    idle = measure(netlist, cells, play_of(IDLE, tensor, rows=2, columns=8)).energies[True, True]
    assert idle.logic == idle.nets == idle.registers == 0 and 0 < idle.clock < full.total
    # one gate of another function, of those that the sums come through
    place = next(n for n, each in enumerate(netlist.instances) if each.cell == "XOR2X1")
    wrong = replace(netlist.instances[place], cell="XNOR2X1")
    instances = (*netlist.instances[:place], wrong, *netlist.instances[place + 1 :])
    activity = measure(replace(netlist, instances=instances), cells, play)
    assert activity.wrong > 0
