"""Both variants of a nest of placed components against the same equation: `o(t + cells) = i(t) + cells`."""

import random
from collections import deque

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from makalu.sw.rtl.params import bench_params

CYCLES = 200


@cocotb.test(timeout_time=10, timeout_unit="us")
async def chain(dut):
    cells = bench_params()["cells"]
    Clock(dut.clk, 2, unit="ns").start()
    dut.rst.value = 1
    dut.i.value = 0
    for _ in range(cells + 2):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    for _ in range(cells + 2):
        await RisingEdge(dut.clk)
    sent = deque([cells] * cells, maxlen=cells)
    for _ in range(CYCLES):
        value = random.getrandbits(8)
        dut.i.value = value
        await RisingEdge(dut.clk)  # samples what the previous edges made; `value` is clocked in by this edge
        assert dut.o.value.to_unsigned() == sent[0]
        sent.append((value + cells) % 256)
