"""Every reader follows every row of the lane programs, and one that had another row would be found."""

from dataclasses import replace

import numpy as np
import pytest

from makalu.hw.lanes import engine as rtl
from makalu.sim_models.golden import lanes as golden
from makalu.sim_models.lockstep import lane_plan as lockstep
from makalu.sim_models.timing import lane_shape as timing
from makalu.spec.encoding import Instruction
from makalu.spec.formats import FP32
from makalu.spec.isa import AluOp, Function, Opcode, Space
from makalu.spec.lane_programs import LANE_PROGRAMS, LaneInput, LaneProgram, LaneStep, lane_programs
from makalu.spec.preset import load_preset
from tests.vector.test_engine import pattern
from tests.vector.test_golden_lanes import test_activation_rounds_twice as golden_check
from tests.vector.test_no_source import ReadsNothing
from tests.vector.test_timing import replay
from verif.vector.central import ENGINES, run_engines

CONFIG = load_preset("tiny")
OTHER = {
    Opcode.TENSOR_COPY: (AluOp.ADD, AluOp.MAX, Function.IDENTITY),
    Opcode.TENSOR_TENSOR: (AluOp.MULTIPLY, AluOp.MIN, Function.RELU),
    Opcode.MEMSET: (AluOp.ADD, AluOp.SUBTRACT, Function.RELU),
    Opcode.TENSOR_SCALAR: (AluOp.SUBTRACT, AluOp.ADD, Function.RELU),
    Opcode.ACTIVATION: (AluOp.MAX, AluOp.SUBTRACT, Function.IDENTITY),
}
"""Operators and function of rows that read nothing; no two are alike, none is like the table's."""


def program(opcode):
    first, second, function = OTHER[opcode]
    return ReadsNothing(opcode, (LaneStep(first), LaneStep(second)), function, LaneInput.IMMEDIATE)


def fill(opcode):
    return Instruction(opcode, {"partitions": 2, **pattern("dst", Space.SBUF, FP32, 0, 5)})


def test_every_reader_follows_every_row(monkeypatch):
    assert set(OTHER) == {row.opcode for row in LANE_PROGRAMS.values() if row.there(CONFIG)}
    for opcode in OTHER:
        monkeypatch.setitem(LANE_PROGRAMS, opcode, program(opcode))
        plan, (first, second, function) = lockstep.lane_plan(fill(opcode), CONFIG), OTHER[opcode]
        assert (plan.setup["op"], plan.setup["function"]) == ((first, second), function)
        assert not any(plan.sources) and not timing.lane_shape(fill(opcode), CONFIG).used
    numbers = {"immediate0": 0xC0000000, "immediate1": 0x3F800000}  # -2, 1
    values = {o: float(golden.element(Instruction(o, numbers), {}).view(np.float32)) for o in OTHER}
    # max(-4, 1), relu(min(4, 1)), relu(-4 - 1), relu(0 + 1), -2 - 1
    assert list(values.values()) == [1, 1, 0, 1, -3]
    # the RTL: as lockstep in every cycle, so in what the lanes are told
    programs = {name: [fill(row.opcode) for row in lane_programs(name, CONFIG)] for name in ENGINES}
    times = run_engines(CONFIG, programs)
    assert [len(times[name]) for name in ENGINES] == [4, 1]


ADD = Instruction(
    Opcode.TENSOR_TENSOR,
    {
        "partitions": 2,
        "op0": AluOp.ADD,
        **pattern("src0", Space.SBUF, FP32, 1024, 6, stride=5),
        **pattern("src1", Space.SBUF, FP32, 2048, 6, stride=5),
        **pattern("dst", Space.SBUF, FP32, 0, 6),
    },
)


class OneSource(LaneProgram):
    """A row that forgets its second source."""

    @property
    def sources(self):
        return super().sources[:1]


WRONG = {**LANE_PROGRAMS, Opcode.TENSOR_TENSOR: OneSource(**vars(LANE_PROGRAMS[Opcode.TENSOR_TENSOR]))}


@pytest.mark.parametrize(("reader", "name"), [(rtl, "lane_programs"), (lockstep, "LANE_PROGRAMS")])
def test_a_wrong_row_in_rtl_or_lockstep_is_caught(monkeypatch, reader, name):
    def rows(engine, config):
        return [row for row in WRONG.values() if row.engine == engine and row.there(config)]

    monkeypatch.setattr(reader, name, rows if reader is rtl else WRONG)
    with pytest.raises(AssertionError, match=r"last tags issued: vector 0.*port (request|to_lanes\.setup\.operand)"):
        run_engines(CONFIG, {"vector": [ADD]})


def test_a_wrong_row_in_timing_is_caught(monkeypatch):
    times = run_engines(CONFIG, {"vector": [ADD]})
    issues, finishes = ({name: [pair[i] for pair in times[name]] for name in ENGINES} for i in (0, 1))
    programs, owned = {"vector": [ADD], "scalar": []}, [0] * 1000
    assert replay(CONFIG, programs, issues, owned) == finishes
    monkeypatch.setattr(timing, "LANE_PROGRAMS", WRONG)
    assert replay(CONFIG, programs, issues, owned) != finishes


def test_a_wrong_row_in_golden_is_caught(monkeypatch):
    row = LANE_PROGRAMS[Opcode.ACTIVATION]
    wrong = replace(row, steps=(row.steps[1], row.steps[0]))
    monkeypatch.setattr(golden, "LANE_PROGRAMS", {**LANE_PROGRAMS, Opcode.ACTIVATION: wrong})
    with pytest.raises(AssertionError):
        golden_check()
