"""Scalar in the assembly of Vector's bench: `activation` alone."""

from typing import Any

import cocotb

from verif.vector.test_vector import run


@cocotb.test()
async def scalar_alone(dut: Any) -> None:
    """Scale, bias (immediate or tensor), identity and relu, on corner values; merges; pauses of 0 to 5 cycles."""
    await run(dut, engines=("scalar",), gap=5, owned=0, points=("merge",))
