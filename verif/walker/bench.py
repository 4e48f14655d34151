"""The walker of Vector, Scalar and the tensor engine, alone: cycles are cheap, so long patterns come to their end."""

from dataclasses import replace
from functools import partial

from makalu.hw.lib.walker import Walker
from verif.lib.cases import Case

__all__ = ["CASES"]

ONE = Case(
    name="one",
    module="verif.walker.test_walker",
    tests=2,
    component=partial(Walker, operands=1),
    params={"patterns": 300, "longest": 12, "rounds": 1},
)

CASES = (
    ONE,
    ONE.on_icarus(patterns=30, longest=7),
    # what `makalu mutate` asks
    replace(ONE, name="long", params={"patterns": 600, "longest": 13, "rounds": 3}, soak=True),
)
