"""The long cases of the blocks' tables."""

import pytest

from verif.lib.cases import blocks, cases, run_case

LONG = [case for block in blocks() for case in cases(block).values() if case.soak]


@pytest.mark.parametrize("case", LONG, ids=str)
def test_long_bench(case):
    run_case(case)
