"""MX on 32 x 32, a whole quadrant of partitions with four groups: golden's bits and the timing model's cycles."""

import numpy as np

from makalu.spec.formats import BF16, E4M3FN_X4
from makalu.spec.quantize import ScaleRule
from makalu.sw.elements import Bits
from tests.core import test_quantize
from tests.core.test_mx import MINI, compiled, every_pair, given, inputs_of
from tests.core.timed import Case, check, memory_of


def test_a_whole_quadrant():
    inputs = inputs_of(2, 32, 0.1)
    check(Case(MINI, compiled(every_pair, inputs, MINI), given(inputs)), memory_of(MINI, 20))


def test_a_whole_quadrant_is_quantised():
    raw = test_quantize.numbers(np.random.default_rng(8), BF16, (32, 256))
    hints = {"kind": E4M3FN_X4, "rule": ScaleRule.OCP, "above": 12}
    program = test_quantize.compiled(BF16, raw.shape, MINI, **hints)
    check(Case(MINI, program, {"src": Bits(raw)}), memory_of(MINI, 20))
