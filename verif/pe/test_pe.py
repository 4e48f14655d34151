"""One PE: x, stationary registers, swap and chain in every cycle against the lockstep model."""

import random

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from makalu.hw.tensor.layouts import OPERAND, X_OPERAND
from makalu.sim_models.golden.arithmetic import fma_chain_step
from makalu.sim_models.lockstep.pe import PeInputs, PeModel
from makalu.spec.chain import OPERAND_BITS, ZERO_EXPONENT, Kind
from makalu.spec.config import TensorConfig
from makalu.sw.rtl.runner import bench_params
from verif.arith.vectors import fma_operands
from verif.lib.compare import compare
from verif.lib.pack import unpack
from verif.lib.sampling import drive, reset, start_clock
from verif.psum.chain import chain_word
from verif.tensor.configs import tensor_core
from verif.tensor.encoding import finalised, operand_words

SMALLEST_NORMAL = 0x00800000


def tensor() -> TensorConfig:
    return tensor_core(bench_params()["config"]).tensor


class Bench:
    """One PE beside its model."""

    def __init__(self, dut) -> None:
        self.dut, self.tensor = dut, tensor()
        self.model = PeModel(tensor=self.tensor)
        self.rng = random.Random(bench_params()["seed"])
        self.cycle = 0
        self.seen = {"x": 0, "p": 0, "inactive": 0, "swap": 0, "reload": 0}

    async def start(self) -> None:
        start_clock(self.dut)
        await reset(self.dut, {"x_in": 0, "w": 0, "load": 0, "p_in": 0})

    def _word(self, bits: int, *, stationary: bool) -> int:
        return int(operand_words(np.array([bits]), stationary=stationary, subnormals=self.tensor.subnormals)[0])

    async def step(self, inputs: PeInputs) -> int | None:
        """One cycle; p_out if it is defined."""
        x = self._word(inputs.x, stationary=False)
        x |= inputs.active << OPERAND_BITS | inputs.swap << (OPERAND_BITS + 1)
        p_in = chain_word(inputs.p, self.rng)
        w = self._word(inputs.w, stationary=True)
        drive(self.dut, {"x_in": x, "w": w, "load": int(inputs.load), "p_in": p_in})
        await RisingEdge(self.dut.clk)
        want = self.model.comb()
        rtl, model = {}, {}
        if want.p is not None:
            rtl["p_out"] = finalised(self.dut.p_out.value.to_unsigned(), subnormals=self.tensor.subnormals)
            model["p_out"] = want.p
            self.seen["p"] += 1
        if want.x is not None:
            out = unpack(X_OPERAND, self.dut.x_out.value.to_unsigned())
            rtl |= {"active": out["active"], "swap": out["swap"]}
            model |= {"active": int(want.active), "swap": int(want.swap)}
            operand = unpack(OPERAND, self._word(want.x, stationary=False))
            if not want.active:  # leaves as a zero; kind and sign mean nothing
                operand |= {"significand": 0, "exponent": ZERO_EXPONENT}
                out["operand"] |= {"kind": Kind.ZERO, "sign": 0}
                operand |= {"kind": Kind.ZERO, "sign": 0}
                self.seen["inactive"] += 1
            rtl |= out["operand"]
            model |= operand
            self.seen["x"] += 1
        compare(self.cycle, rtl, model, "pe")
        self.seen["swap"] += inputs.swap
        self.seen["reload"] += inputs.swap and inputs.load
        self.model.tick(inputs)
        self.cycle += 1
        return want.p


def chains(rng: np.random.Generator, values: np.ndarray, subnormals: str) -> np.ndarray:
    """What a chain can hold: canonical NaNs, and no subnormal (nor its neighbour, with an increment) if it flushes."""
    magnitude = values & 0x7FFFFFFF
    values = np.where(magnitude > 0x7F800000, 0x7FC00000, values)
    if subnormals == "flush":
        values = np.where(magnitude <= SMALLEST_NORMAL, 0x3F800000, values)
    return values.astype(np.uint32)


@cocotb.test()
async def random_cycles(dut):
    """Any combination of load, swap, active and operands of all kinds in every cycle."""
    b = Bench(dut)
    await b.start()
    count = bench_params()["cycles"]
    numbers = np.random.default_rng(bench_params()["seed"])
    a, w, p = fma_operands(numbers, count)
    p = chains(numbers, p, b.tensor.subnormals)
    for i in range(count):
        await b.step(
            PeInputs(
                x=int(a[i]),
                active=b.rng.random() < 0.8,
                swap=b.rng.random() < 0.4,
                w=int(w[i]),
                load=b.rng.random() < 0.4,
                p=int(p[i]),
            )
        )
    assert min(b.seen.values()) > count // 20, b.seen


@cocotb.test()
async def latency(dut):
    """One x between inactive ones: its sum appears 1 + S + L cycles later, with the chain word of 1 + S later."""
    b = Bench(dut)
    await b.start()
    stages = b.tensor
    one, two, three = 0x3F80, 0x4000, 0x4040
    idle = PeInputs(x=0, active=False, swap=False, w=0, load=False, p=0)
    await b.step(PeInputs(x=0, active=False, swap=False, w=two, load=True, p=0))
    for _ in range(8):
        await b.step(idle)
    # chain word 1, 2, 4, ... in successive cycles: the sum tells which one was taken
    shown = []
    for i in range(1 + stages.mul_stages + stages.add_stages + 1):
        shown.append(
            await b.step(PeInputs(x=three, active=i == 0, swap=i == 0, w=one, load=False, p=0x3F800000 + (i << 23)))
        )
    taken = np.uint32(0x3F800000 + ((1 + stages.mul_stages) << 23))
    want = int(fma_chain_step(three, two, taken, subnormals=stages.subnormals))
    assert shown[1 + stages.mul_stages + stages.add_stages] == want
    assert want not in shown[: 1 + stages.mul_stages + stages.add_stages]
