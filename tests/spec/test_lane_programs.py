"""The table of lane programs fits the table of instructions and what a lane can do."""

import pytest

from makalu.spec.engines import ACCESS_ENGINES, CHANNELS
from makalu.spec.isa import INSTRUCTIONS
from makalu.spec.lane_programs import LANE_PROGRAMS, LaneInput, grouping, lane_programs
from makalu.spec.lanes import SOURCES, STEPS
from makalu.spec.preset import load_preset


def test_every_opcode_of_vector_and_scalar_has_a_row():
    engines = {o: CHANNELS[row.channel].engine for o, row in INSTRUCTIONS.items() if row.channel is not None}
    assert {o: row.engine for o, row in LANE_PROGRAMS.items()} == {
        o: engine for o, engine in engines.items() if engine in ACCESS_ENGINES
    }
    config = load_preset("trn3")
    assert [row for name in ACCESS_ENGINES for row in lane_programs(name, config)] == list(LANE_PROGRAMS.values())


def test_a_core_without_scales_has_no_row_that_scales_in_groups():
    tiny, engines = load_preset("tiny"), ACCESS_ENGINES
    assert not any(row.grouped for name in engines for row in lane_programs(name, tiny))
    assert [grouping(name, tiny) for name in engines] == [False, False]
    assert [grouping(name, load_preset("trn3")) for name in engines] == [True, False]


@pytest.mark.parametrize("opcode", LANE_PROGRAMS, ids=lambda o: o.name.lower())
def test_a_row_looks_at_the_fields_of_its_instruction(opcode):
    """And to the cast, which is the same for all of them."""
    row = LANE_PROGRAMS[opcode]
    cast = {"partitions"} if row.grouped else {"partitions", "rounding"}
    assert {*row.fields} | cast == set(INSTRUCTIONS[opcode].fields)


@pytest.mark.parametrize("opcode", LANE_PROGRAMS, ids=lambda o: o.name.lower())
def test_a_row_takes_what_it_reads_and_a_lane_can_keep(opcode):
    row = LANE_PROGRAMS[opcode]
    read = {source.slot: source for source in row.sources}
    taken = (row.data, *(step.operand for step in row.steps))
    assert set(read) == {each.slot for each in taken if each.slot} <= set(SOURCES)
    assert len(row.steps) == STEPS
    assert row.data is LaneInput.IMMEDIATE or not read[row.data.slot].once
    behind = [step.operand.slot for step in row.steps[1:] if step.operand.slot]
    assert all(read[slot].once for slot in behind), "only step 0 can take an element of its own"
