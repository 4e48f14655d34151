"""The PE array on Verilator and Icarus, every cycle against the lockstep model; also inlined, and with idle clocks."""

import pytest

from makalu.hw.tensor.array import PeArray
from makalu.sw.rtl.runner import run_bench
from verif.tensor.configs import small_core

TESTS = 4
EIGHT = {"partitions": 8, "word_bytes": 16, "mul_stages": 2, "add_stages": 2}
SMALL = {"partitions": 4, "tile": 2, "word_bytes": 8, "mul_stages": 2, "add_stages": 1}
FLUSH = {**SMALL, "mul_stages": 1, "add_stages": 3, "subnormals": "flush"}
ICARUS = pytest.mark.icarus


def bench(name, simulator, core, *, matmuls, **options):
    ran = run_bench(
        PeArray(config=small_core(**core)),
        name=f"array-{name}",
        test_module="verif.array.test_array",
        simulator=simulator,
        params={"core": core, "matmuls": matmuls, "seed": 1},
        **options,
    )
    assert ran == TESTS


CASES = [
    pytest.param("verilator", EIGHT, 40, id="8x8-of-4x4"),
    pytest.param("verilator", SMALL, 10, id="4x4-of-2x2-hierarchical"),
    pytest.param("icarus", SMALL, 10, id="4x4-of-2x2", marks=ICARUS),
    pytest.param("icarus", FLUSH, 10, id="4x4-of-2x2-flush", marks=ICARUS),
]


@pytest.mark.parametrize(("simulator", "core", "matmuls"), CASES)
def test_array(request, simulator, core, matmuls):
    """The shared modules; on Verilator the 4 x 4 array's tiles are compiled apart, their clocks never stop."""
    hierarchical = simulator == "verilator" and core is SMALL
    bench(request.node.callspec.id, simulator, core, matmuls=matmuls, hierarchical=hierarchical)


IDLE_CASES = [
    pytest.param("verilator", SMALL, id="4x4-of-2x2"),
    pytest.param("icarus", SMALL, id="4x4-of-2x2-icarus", marks=ICARUS),
    pytest.param("icarus", FLUSH, id="4x4-of-2x2-flush-icarus", marks=ICARUS),
]


@pytest.mark.parametrize(("simulator", "core"), IDLE_CASES)
def test_array_with_idle_clocks(simulator, core):
    """Tiles whose clock stops show the model's outputs too; on Verilator compiled apart, as in a fast machine."""
    bench("idle", simulator, core, matmuls=10, idle_clocks=True, hierarchical=simulator == "verilator")


@pytest.mark.parametrize("simulator", ["verilator", pytest.param("icarus", marks=ICARUS)])
def test_inlined_array(simulator):
    """Amaranth's own hierarchy passes the same bench as the shared modules of `test_array`."""
    bench("inlined", simulator, SMALL, matmuls=10, inlined=True)
