"""Random legal programs leave the golden memory image, whatever the memory behind the core does.

Seeds are in the test's names; `make soak` runs thousands more.
"""

import pytest

from makalu.spec.memory import NO_STALLS
from makalu.spec.preset import load_preset
from makalu.sw.elements import Bits
from makalu.sw.rtl.soak import MOST_INSTRUCTIONS, make_case, run_case
from tests.core.machines import observed_machine, quick_machine
from verif.lib.variants import bench_config

PROGRAMS = 25
MACHINES = {"tiny": observed_machine, "trn2-mini": quick_machine, "eight-background": quick_machine}
SEEDS = [("tiny", seed) for seed in range(PROGRAMS)]
SEEDS += [pytest.param("trn2-mini", seed, marks=pytest.mark.slow) for seed in range(PROGRAMS)]
SEEDS += [pytest.param("eight-background", seed, marks=pytest.mark.slow) for seed in range(PROGRAMS // 2)]


@pytest.mark.parametrize(("preset", "seed"), SEEDS)
def test_memory_is_golden(preset, seed):
    case = make_case(bench_config(preset), seed)
    print(case)
    assert case.random.program.instructions <= MOST_INSTRUCTIONS
    verdict = run_case(MACHINES[preset](preset), case)
    assert verdict.fault is None, f"{case}: {verdict.fault}"
    assert verdict.bytes == case.random.program.bytes and verdict.cycles > 0


def test_every_second_seed_has_stalls():
    stalled = [make_case(load_preset("tiny"), seed).stalls != NO_STALLS for seed in range(4)]
    assert stalled == [False, True, False, True]


def test_one_wrong_byte_is_a_fault():
    """The comparison sees an input that is one bit off, and names the place."""
    case = make_case(load_preset("tiny"), 2)
    inputs = {name: Bits(bits.array.copy()) for name, bits in case.random.inputs.items()}
    inputs["fp32"].array[-1] ^= 1

    class Tampered:
        config = case.random.config

        def run(self, image, programs, **arguments):
            return observed_machine("tiny").run(case.random.program.image(inputs), programs, **arguments)

    assert "(fp32)" in run_case(Tampered(), case).fault
