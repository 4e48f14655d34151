# amaranth: UnusedElaboratable=no
"""The decoder at the edge with moved biases, alone: its operands are the model's, which ml_dtypes judges elsewhere."""

import pytest
from amaranth.sim import Simulator

from makalu.hw.arith.operand import OperandDecode
from makalu.sim_models.lockstep.operand import operand_words
from makalu.spec.cfp8 import OFFSETS, OFFSETTABLE
from makalu.spec.formats import BF16
from makalu.spec.tensor_types import Part

SOME = (-OFFSETS, -OFFSETS + 1, -5, 0, 10, OFFSETS - 1)


@pytest.mark.parametrize("stationary", [False, True])
def test_every_code_with_some_offsets(stationary):
    dut = OperandDecode(
        forms=(BF16, *OFFSETTABLE), stationary=stationary, subnormals="keep", parts=max(Part), offsets=True
    )

    async def bench(ctx):
        for form in OFFSETTABLE:
            ctx.set(dut.dtype, form.code)
            for offset in SOME:
                ctx.set(dut.offset, offset)
                want = operand_words(range(256), form=form, stationary=stationary, offset=offset)
                for code in range(256):
                    ctx.set(dut.bits, code)
                    await ctx.delay(1e-9)
                    got = ctx.get(dut.operand.as_value())
                    assert got == want[code], f"{form.name} {code:#x}, offset {offset}: {got:#x}, not {want[code]:#x}"

    simulator = Simulator(dut)
    simulator.add_testbench(bench)
    simulator.run()


def test_without_offsets_there_is_no_port():
    decode = OperandDecode(forms=OFFSETTABLE, stationary=True, subnormals="keep", parts=Part.UPPER)
    assert not hasattr(decode, "offset") and len(decode.emit_key) == 4
