"""A lane's data path on Amaranth's simulator against model and golden arithmetic, for both engines."""

import pytest

from makalu.spec.preset import load_preset
from tests.vector.lane_bench import run_lane
from verif.lib.lane_programs import random_instructions


@pytest.mark.parametrize("engine", ["vector", "scalar"])
def test_lane_writes_the_models_words(engine):
    config = load_preset("tiny")
    program = random_instructions(config, engine=engine, count=10, seed=7)
    assert run_lane(config, program, engine=engine, partition=1) > 100


def test_lane_with_sixteen_byte_words():
    config = load_preset("small")
    program = random_instructions(config, engine="vector", count=6, seed=5)
    assert run_lane(config, program, engine="vector", partition=7) > 100
