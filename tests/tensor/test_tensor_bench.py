"""Tensor engine with its memories and its array: every cycle against the lockstep models, sums against golden."""

import pytest

from makalu.sw.rtl.runner import run_bench
from verif.tensor.assembly import TensorAssembly
from verif.tensor.configs import small_core

TESTS = 4
FOUR = {"partitions": 4, "word_bytes": 8, "mul_stages": 2, "add_stages": 1}
DEEP = {"partitions": 4, "word_bytes": 8, "mul_stages": 1, "add_stages": 3, "psum_stages": 1, "subnormals": "flush"}
EIGHT = {"partitions": 8, "word_bytes": 16, "mul_stages": 1, "add_stages": 2, "psum_stages": 2}


def run(config, name, *, commands, simulator="verilator", seed=1, hierarchical=False):
    ran = run_bench(
        TensorAssembly(config=small_core(**config)),
        name=f"tensor-{name}",
        test_module="verif.tensor.test_tensor",
        kept=True,
        simulator=simulator,
        params={"config": config, "commands": commands},
        seed=seed,
        hierarchical=hierarchical,
    )
    assert ran == TESTS


@pytest.mark.parametrize("seed", [1, 2])
def test_tensor_engine(seed):
    run(FOUR, "4x4", commands=140, seed=seed)


@pytest.mark.slow
def test_tensor_engine_with_deep_adders():
    run(DEEP, "4x4-deep", commands=150)


@pytest.mark.slow
def test_tensor_engine_with_wide_words():
    run(EIGHT, "8x8", commands=90, hierarchical=True)


@pytest.mark.icarus
@pytest.mark.slow
def test_tensor_engine_four_states():
    """Registers without a value stay X: nothing undefined reaches a compared port."""
    run(FOUR, "4x4", commands=40, simulator="icarus")
