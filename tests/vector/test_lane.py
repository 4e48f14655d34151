"""A lane's data path on Amaranth's simulator against model and golden arithmetic, for both engines."""

import pytest

from makalu.spec.preset import load_preset
from verif.lib.lane_programs import random_instructions
from verif.vector.lane_alone import run_lane


@pytest.mark.parametrize("engine", ["vector", "scalar"])
def test_lane_writes_the_models_words(engine):
    config = load_preset("tiny")
    program = random_instructions(config, engine=engine, count=10, seed=7)
    assert run_lane(config, program, engine=engine, partition=1) > 100


def test_lane_with_sixteen_byte_words():
    config = load_preset("small")
    program = random_instructions(config, engine="vector", count=6, seed=5)
    assert run_lane(config, program, engine="vector", partition=7) > 100
