# amaranth: UnusedElaboratable=no
"""Every kind of cell in every form of the generated code, against the reference; and that wrong rules are seen."""

import functools
from dataclasses import replace

import pytest

from makalu.hw.core import Core
from makalu.hw.lib.emit import Emission
from makalu.spec.preset import load_preset
from makalu.sw.rtl.lanes.cells import RULES
from makalu.sw.rtl.lanes.design import BOXES
from makalu.sw.rtl.lanes.emitter import NOW, Emitter
from makalu.sw.rtl.lanes.netlist import Netlist
from makalu.sw.rtl.lanes.nets import WORD, NetlistError
from tests.rtl.lanes.cell_bench import Program, compare
from tests.rtl.lanes.cell_kinds import CellKind, MemoryKind, kinds_of, systematic
from tests.rtl.lanes.cell_modules import Builder, case, parameters
from tests.rtl.lanes.forms import FORMS, PRESENT

CYCLES = 5
FAULT_CYCLES = 20
FAULT_FORM = "plain-4"

SIGNED_SHIFT = CellKind("$shl", 16, 2, 0, 19, True)
"""The mistake that only random programs found in the prototype: A was not extended by its sign."""


@functools.cache
def chosen():
    return Program([case(kind, cycles=CYCLES) for kind in systematic()])


def test_the_list_has_every_kind_that_has_a_rule():
    kinds = systematic()
    assert {"$mem_v2" if isinstance(kind, MemoryKind) else kind.type for kind in kinds} == {*RULES, "$dff"}
    assert SIGNED_SHIFT in kinds


@pytest.mark.parametrize("form", FORMS)
def test_every_kind_of_cell(form, tmp_path):
    compare(chosen(), form, tmp_path)


def test_every_kind_of_cell_that_tiny_has(tmp_path):
    kinds = kinds_of(Emission().netlist(Core(config=load_preset("tiny"), observe="trace"), name="core", boxes=BOXES))
    assert {kind.type for kind in kinds if isinstance(kind, CellKind)} <= {*RULES, "$dff"}
    assert SIGNED_SHIFT in kinds and len(kinds) > 300
    # in one form; tests/soak has them in each
    compare(Program([case(kind, cycles=CYCLES) for kind in kinds]), PRESENT[-1], tmp_path)


# ---- planted faults


def other(type_):
    """The rule of another cell."""
    return RULES[type_]


def unsigned(type_, port="A"):
    """The rule, but a sign is forgotten."""
    return lambda e, net, when: RULES[type_](e, replace(net, parameters=net.parameters | {f"{port}_SIGNED": 0}), when)


def operand(type_, port, bits):
    """The rule, but an operand's bits are others."""
    return lambda e, net, when: RULES[type_](e, replace(net, connections=net.connections | {port: bits(net)}), when)


def words_apart(operator):
    """An addition or subtraction whose words know nothing of each other."""

    def rule(e, net, when):
        left, right = (e.widened(net.connections[p], net.width, net.parameters[f"{p}_SIGNED"], when) for p in "AB")
        words = [e.vector(f"{x}{operator}{y}") for x, y in zip(left, right, strict=True)]
        masks = [(1 << bits) - 1 for _, bits in net.parts]
        return [
            e.bit(f"bitm({word},0)") if mask == 1 else e.vector(f"{word}&{mask:#x}u")
            for word, mask in zip(words, masks, strict=True)
        ]

    return rule


def replaced(type_, old, new):
    """The rule, but its C++ is another."""

    def rule(e, net, when):
        first = len(e.lines)
        out = RULES[type_](e, net, when)
        e.lines[first:] = [replace(line, text=line.text.replace(old, new)) for line in e.lines[first:]]
        return out

    return rule


def upper_of_b(net):
    """A's lower word, B's upper one."""
    return net.connections["A"][:WORD] + net.connections["B"][WORD:]


def this_cycle(type_):
    """The rule, but of this cycle's values where the next one's are asked for."""
    return lambda e, net, when: RULES[type_](e, net, NOW)


def plain(type_, a, b, y, *signs):
    return CellKind(type_, a, b, 0, y, *signs)


RAM = MemoryKind(40, 8, 3, (True, False), 1, 1)
FAULTS = {
    "$add subtracts": (plain("$add", 8, 8, 9), other("$sub")),
    "$and is an or": (plain("$and", 31, 31, 31), other("$or")),
    "$xnor is an xor": (plain("$xnor", 33, 33, 33), other("$xor")),
    "$not passes": (plain("$not", 5, 0, 5), other("$pos")),
    "$lt is $le": (plain("$lt", 12, 12, 1), other("$le")),
    "$ge is $gt": (plain("$ge", 48, 48, 1), other("$gt")),
    "$eq of the lower word only": (plain("$eq", 40, 40, 1), operand("$eq", "A", upper_of_b)),
    "$lt forgets a sign": (plain("$lt", 33, 33, 1, True, True), unsigned("$lt")),
    "$shl forgets to extend a signed A": (SIGNED_SHIFT, unsigned("$shl")),
    "$sshr fills zeros": (plain("$sshr", 32, 6, 32, True), other("$shr")),
    "$shr fills the sign": (plain("$shr", 12, 4, 12, True), other("$sshr")),
    "$shift only to the right": (plain("$shift", 31, 6, 31, False, True), unsigned("$shift", "B")),
    "$shift forgets a sign of A": (plain("$shift", 5, 3, 8, True), unsigned("$shift")),
    "$sub without a borrow": (plain("$sub", 64, 64, 65), words_apart("-")),
    "$add without a carry": (plain("$add", 64, 64, 64), words_apart("+")),
    "$neg forgets a sign": (plain("$neg", 8, 0, 9, True), unsigned("$neg")),
    "$mul forgets a sign": (plain("$mul", 17, 16, 32, True, True), unsigned("$mul")),
    "$mul without its upper word": (plain("$mul", 24, 24, 48), replaced("$mul", "mulhi", "(V)eq")),
    "$mux takes one side": (CellKind("$mux", 8, 8, 1, 8), operand("$mux", "A", lambda net: net.connections["B"])),
    "$pmux without a default": (CellKind("$pmux", 8, 24, 3, 8), operand("$pmux", "A", lambda net: ["0"] * net.width)),
    "$reduce_and is an or": (plain("$reduce_and", 33, 0, 1), other("$reduce_or")),
    "$reduce_xor is an or": (plain("$reduce_xor", 5, 0, 1), other("$reduce_or")),
    "$logic_not inverts nothing": (plain("$logic_not", 8, 0, 1), other("$reduce_bool")),
    "$mem_v2 with a wrong stride": (RAM, replaced("$mem_v2", "STRIDE", "LANES")),
    "$mem_v2 reads the next word": (RAM, replaced("$mem_v2", "M(0)", "(M(0)+STRIDE)")),
    "$mem_v2 ignores the enable": (RAM, replaced("$mem_v2", ",8u,", "|ONE,8u,")),
    "a value of the wrong cycle": (plain("$xor", 8, 8, 8), this_cycle("$xor")),
}


@functools.cache
def planted():
    """Every fault's cell twice, with the wrong rule and the right one."""
    cases = []
    for name, (kind, rule) in FAULTS.items():
        variant = "registered" if "cycle" in name else "plain"
        right = case(kind, variant, cycles=FAULT_CYCLES)
        type_ = "$mem_v2" if kind is RAM else kind.type
        cases += [replace(right, name=name, rules={type_: rule}), replace(right, name=f"{name}: not")]
    return Program(cases)


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    return planted().differences(FAULT_FORM, tmp_path_factory.mktemp("planted"))


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_rule_is_seen(name, seen):
    assert name in seen
    assert f"{name}: not" not in seen


# ---- what cannot be simulated


def memory(**changes):
    """A memory; `changes` to its parameters and connections."""

    def add(b):
        cell = case(MemoryKind(8, 4, 2, (True,), 1, 1), "plain", cycles=1).module["cells"]["cell"]
        other = {"parameters": dict(cell["parameters"]), "connections": dict(cell["connections"])}
        for key, value in changes.items():
            part = "parameters" if key in other["parameters"] else "connections"
            other[part][key] = b.module["ports"]["clock"]["bits"] if value == "other" else value
        b.module["cells"]["bad"] = cell | other

    return add


def cell(type_, changes=(), **connections):
    def add(b):
        bits = {port: b.module["ports"][name]["bits"] for port, name in connections.items()}
        b.cell("bad", type_, {"WIDTH": 1, "CLK_POLARITY": 1, "EN_POLARITY": 1, **dict(changes)}, **bits, Q=b.wire(1))

    return add


UNKNOWN = "is of a kind that lanes does not know"
ERRORS = {
    "latch": (cell("$dlatch", EN="clock", D="d"), UNKNOWN),
    "tristate": (cell("$tribuf", EN="clock", A="d"), UNKNOWN),
    "unknown": (cell("$alu", A="d"), UNKNOWN),
    "reset without a clock": (cell("$adff", CLK="clk", ARST="clock", D="d"), UNKNOWN),
    "second clock": (cell("$dff", CLK="clock", D="d"), "must be clocked by the rising edge of clk"),
    "falling edge": (cell("$dff", {"CLK_POLARITY": 0}, CLK="clk", D="d"), "must be clocked by the rising edge of clk"),
    "second clock of a read": (memory(RD_CLK="other"), "must be clocked by clk"),
    "second clock of a write": (memory(WR_CLK="other"), "must be written at the edge of clk"),
    "write without a clock": (memory(WR_CLK_ENABLE="0"), "must be written at the edge of clk"),
    "transparent read": (memory(RD_TRANSPARENCY_MASK="1"), "must have RD_TRANSPARENCY_MASK 0"),
    "read with a reset": (memory(RD_SRST=["1"]), "must have no reset on its read ports"),
}


@pytest.mark.parametrize(("add", "rule"), ERRORS.values(), ids=ERRORS)
def test_what_cannot_be_simulated_is_named(add, rule):
    """With the cell, its type, and the line that made it."""
    b = Builder()
    b.input("clock", 1)
    b.input("d", 1)
    add(b)
    bad = b.module["cells"]["bad"]
    bad["attributes"] = {"src": "hw/some/file.py:12"}
    with pytest.raises(NetlistError) as error:
        Netlist("some_module", b.module, {})
    assert str(error.value).startswith(f"some_module: cell bad ({bad['type']}, hw/some/file.py:12) {rule}")


def test_a_loop_is_named():
    b = Builder()
    y = b.wire(1)
    b.cell("round", "$xor", parameters(CellKind("$xor", 1, 1, 0, 1)), A=y, B=y, Y=y)
    b.output("y", y)
    netlist = Netlist("some_module", b.module, {})
    e = Emitter(netlist, rules=RULES, load_input=str, load_register=str)
    with pytest.raises(NetlistError, match="some_module: round must not depend on itself without a register"):
        e.word(netlist.outputs["y"])
