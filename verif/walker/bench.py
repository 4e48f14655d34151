"""The walker of Vector, Scalar and the tensor engine, alone: cycles are cheap, so long patterns come to their end."""

from functools import partial

from makalu.hw.lib.walker import Walker
from verif.lib.cases import Case

__all__ = ["CASES"]

ONE = Case(
    name="one",
    module="verif.walker.test_walker",
    tests=2,
    component=partial(Walker, operands=1),
    params={"patterns": 300, "longest": 12},
)

CASES = (ONE, ONE.on_icarus(patterns=30, longest=7))
