# amaranth: UnusedElaboratable=no
"""The sweep of tests/rtl/test_lanes_cells.py without its savings: all shapes and presets, each in every way."""

from itertools import islice, product

from makalu.hw.core import Core
from makalu.hw.lib.emit import Emission
from makalu.spec.preset import PRESETS, load_preset
from makalu.sw.rtl.lanes.cells import RULES
from makalu.sw.rtl.lanes.design import BOXES
from tests.rtl.lanes.cell_bench import Program, compare
from tests.rtl.lanes.cell_kinds import CellKind, MemoryKind, kinds_of, systematic
from tests.rtl.lanes.cell_modules import VARIANTS, case
from tests.rtl.lanes.forms import PRESENT

CYCLES = 16
AT_ONCE = 300
"""Cases of one program."""
FLAT = ("tiny", "small")
"""Presets of which several cores run at once: nothing of them is a box."""


def variants(kind):
    """A cell of very many bits only plain: the compiler takes minutes for all the slices."""
    return VARIANTS if isinstance(kind, MemoryKind) or kind.a + kind.b <= 4096 else ("plain",)


def check(kinds, folder):
    cases = ((kind, variant) for kind in kinds for variant in variants(kind))
    while chunk := list(islice(cases, AT_ONCE)):
        program = Program([case(kind, variant, cycles=CYCLES) for kind, variant in chunk])
        for form in PRESENT:
            compare(program, form, folder, "-O1")


def test_every_kind_of_cell(tmp_path):
    check(systematic(full=True), tmp_path)


def test_every_kind_of_cell_of_any_preset(tmp_path):
    kinds = {}
    for preset, boxes in [*product(PRESETS, [BOXES]), *product(FLAT, [()])]:
        modules = Emission().netlist(Core(config=load_preset(preset), observe="trace"), name="core", boxes=boxes)
        kinds |= dict.fromkeys(kinds_of(modules))
    assert {kind.type for kind in kinds if isinstance(kind, CellKind)} <= {*RULES, "$dff"}
    check(kinds, tmp_path)
