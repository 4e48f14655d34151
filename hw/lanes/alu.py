"""One ALU step of a lane."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.arith.fp32_add import Fp32Add
from makalu.hw.arith.fp32_minmax import Fp32MinMax
from makalu.hw.arith.fp32_mul import Fp32Mul
from makalu.hw.lanes.control import OP_BITS
from makalu.spec.formats import FP32
from makalu.spec.isa import AluOp
from makalu.spec.lanes import ALU_STAGES

__all__ = ["AluStep"]


class AluStep(wiring.Component):
    """result = op(data, operand), or op(operand, data) with `reverse`; BYPASS: data.

    Does not: change its operation between elements that are in it: `op` and `reverse` are constant for an instruction.

    Members
    -------
    op, reverse: In;  data, operand: In(32);  enable: In(1), the registers move;  result: Out(32)

    Timing
    ------
    `ALU_STAGES` cycles with `enable`, one element a cycle.

    Numerics
    --------
    Rounds once, to nearest even; subnormals kept; NaN results canonical. MAX and MIN: `hw/arith`.
    """

    latency_cycles = ALU_STAGES

    def __init__(self) -> None:
        bits = FP32.bits
        super().__init__(
            {
                "op": In(OP_BITS),
                "reverse": In(1),
                "data": In(bits),
                "operand": In(bits),
                "enable": In(1),
                "result": Out(bits),
            }
        )

    @property
    def emit_key(self) -> tuple[object, ...]:
        return ()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.add = add = Fp32Add(stages=ALU_STAGES)
        m.submodules.mul = mul = Fp32Mul(stages=ALU_STAGES)
        m.submodules.min_max = min_max = Fp32MinMax()
        left, right, moved = (Signal(FP32.bits, name=name) for name in ("left", "right", "moved"))
        m.d.comb += [
            left.eq(Mux(self.reverse, self.operand, self.data)),
            right.eq(Mux(self.reverse, self.data, self.operand)),
            add.a.eq(left),
            add.b.eq(right),
            add.subtract.eq(self.op == AluOp.SUBTRACT),
            add.enable.eq(self.enable),
            mul.a.eq(left),
            mul.b.eq(right),
            mul.enable.eq(self.enable),
            min_max.a.eq(left),
            min_max.b.eq(right),
            min_max.smaller.eq(self.op == AluOp.MIN),
            moved.eq(Mux(self.op == AluOp.BYPASS, self.data, min_max.o)),
        ]
        # what needs no rounding keeps step with the adder and the multiplier
        for stage in range(1, ALU_STAGES + 1):
            following = Signal(FP32.bits, name=f"s{stage}_moved", reset_less=True)
            with m.If(self.enable):
                m.d.sync += following.eq(moved)
            moved = following
        with m.Switch(self.op):
            with m.Case(AluOp.ADD, AluOp.SUBTRACT):
                m.d.comb += self.result.eq(add.o)
            with m.Case(AluOp.MULTIPLY):
                m.d.comb += self.result.eq(mul.o)
            with m.Default():
                m.d.comb += self.result.eq(moved)
        return m
