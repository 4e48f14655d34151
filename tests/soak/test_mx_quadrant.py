"""MX on 32 x 32, a whole quadrant of partitions with four groups: golden's bits and the timing model's cycles."""

from tests.core.test_mx import MINI, compiled, every_pair, given, inputs_of
from tests.core.timed import Case, check, memory_of


def test_a_whole_quadrant():
    inputs = inputs_of(2, 32, 0.1)
    check(Case(MINI, compiled(every_pair, inputs, MINI), given(inputs)), memory_of(MINI, 20))
