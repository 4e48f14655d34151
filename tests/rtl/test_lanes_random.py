"""Random designs of up to three classes do on lanes what Amaranth simulates. `tests/soak` has hundreds."""

import pytest

from tests.rtl.lanes.designs import check
from tests.rtl.lanes.random_design import random_design

pytestmark = pytest.mark.slow

SEEDS = (3, 6, 11, 15, 19, 22, 30, 35, 36, 38)
"""Designs that the compiler takes: with chains, with memories, with paths through several classes."""


@pytest.mark.parametrize("seed", SEEDS)
def test_random_design(seed):
    design, classes = random_design(seed)
    check(design, *classes, cycles=120, seeds=[seed], moves=False)
