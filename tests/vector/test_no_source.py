"""An instruction that reads nothing goes through engine, lane and models: with a row that no opcode has yet."""

from dataclasses import replace

import numpy as np
import pytest

from makalu.sim_models.golden.elementwise import GoldenElementwise
from makalu.sim_models.golden.memory import PartitionedMemory
from makalu.spec.config import EngineConfig
from makalu.spec.encoding import Instruction
from makalu.spec.formats import BF16, FP32
from makalu.spec.isa import AluOp, Opcode, Space
from makalu.spec.lane_programs import LANE_PROGRAMS, LaneInput, LaneProgram, LaneStep
from makalu.spec.lanes import LANE_STAGES
from makalu.spec.preset import load_preset
from tests.vector.test_engine import cycles, pattern
from tests.vector.test_timing import replay
from verif.lib.lane_programs import random_instructions
from verif.vector.central import ENGINES, run_engines
from verif.vector.lane_alone import run_lane

FILL = Opcode.TENSOR_SCALAR
"""Takes the new row's place: it has the fields."""
CONFIG = replace(load_preset("tiny"), vector=EngineConfig(rate="1/1"), scalar=EngineConfig(rate="1/2"))


class ReadsNothing(LaneProgram):
    """A row whose opcode has no source: the sources of a real one are those of its instruction."""

    @property
    def sources(self):
        return ()


@pytest.fixture(autouse=True)
def filling(monkeypatch):
    """dst[P, N] = cast(op1(immediate0, immediate1)), on Vector."""
    steps = (LaneStep(), LaneStep("op1", reverse="reverse1"))
    monkeypatch.setitem(LANE_PROGRAMS, FILL, ReadsNothing(FILL, steps, data=LaneInput.IMMEDIATE))


def mixed(count, seed):
    """Random instructions of both engines; those of Vector that read nothing are among them, also one after another."""
    programs = {name: random_instructions(CONFIG, engine=name, count=count, seed=seed) for name in ENGINES}
    fills = [i.opcode is FILL for i in programs["vector"]]
    assert any(a and b for a, b in zip(fills, fills[1:], strict=False)) and not all(fills)
    return programs


def test_engine_and_models_agree_in_every_cycle_and_finish():
    programs = mixed(14, seed=5)
    times = run_engines(CONFIG, programs, gap=1)
    issues, finishes = ({name: [pair[i] for pair in times[name]] for name in ENGINES} for i in (0, 1))
    assert replay(CONFIG, programs, issues, [0] * 20_000) == finishes


def test_lane_writes_what_the_model_says():
    program = [i for i in mixed(14, seed=5)["vector"] if i.opcode is FILL]
    assert run_lane(CONFIG, program[:4], engine="vector", partition=1) > 20


@pytest.mark.parametrize("form", [FP32, BF16])
def test_an_element_a_cycle_from_the_cycle_after_issue_on(form):
    fill = Instruction(FILL, {"partitions": 4, **pattern("dst", Space.SBUF, form, 0, 64)})
    assert cycles(CONFIG, fill) == 64 + LANE_STAGES + 3


def test_golden_fills_every_element():
    sbuf = PartitionedMemory(space=Space.SBUF, partitions=4, partition_bytes=64, report=pytest.fail)
    values = {"partitions": 2, "dst_partition": 1, "op1": AluOp.SUBTRACT, "reverse1": 1, "immediate0": 0x3F800000}
    fill = Instruction(FILL, {**values, **pattern("dst", Space.SBUF, FP32, 4, 3, stride=2)})
    GoldenElementwise(config=CONFIG, sbuf=sbuf, psum=sbuf, report=pytest.fail).execute(fill)
    expected = np.zeros((4, 16), np.uint32)
    expected[1:3, 1:7:2] = 0xBF800000
    assert (sbuf.data.view(np.uint32) == expected).all()
    assert (sbuf.written.reshape(4, 16, 4) == (expected != 0)[..., None]).all()
