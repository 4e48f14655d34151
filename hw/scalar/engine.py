"""Central part of the Scalar engine: the Vector engine's, with its own decode."""

from amaranth.hdl import Cat, Const, Module
from amaranth.lib import data

from makalu.hw.lanes.engine import LaneEngine
from makalu.spec.config import CoreConfig
from makalu.spec.isa import AluOp, Function
from makalu.spec.lanes import STEPS

__all__ = ["ScalarEngine"]


class ScalarEngine(LaneEngine):
    """activation: dst = cast(function(src0 * immediate0 + bias)), bias = src1[P, 1] or immediate1.

    Step 0 multiplies, step 1 adds, both always: an activation never only moves bits. Members, timing: `LaneEngine`.
    """

    def __init__(self, *, config: CoreConfig):
        super().__init__(config=config, engine=config.scalar)

    def decode(self, m: Module, instruction: data.View, setup: data.View) -> None:
        for step, op in zip(range(STEPS), (AluOp.MULTIPLY, AluOp.ADD), strict=True):
            m.d.comb += setup.op[step].eq(op)
        m.d.comb += [
            setup.from_src1.eq(Cat(Const(0, 1), instruction.operand0_tensor)),
            setup.relu.eq(instruction.function == Function.RELU),
        ]
