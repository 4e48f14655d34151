"""Planted faults in the text of Vector's and Scalar's parts: caught at the port, or by the assertion, named here."""

import pytest

from makalu.spec.formats import BF16
from makalu.spec.preset import load_preset
from tests.faults.planting import Fault, caught, planted_class
from verif.lib.lane_programs import random_instructions
from verif.lib.variants import bench_config
from verif.vector.central import ENGINES, run_engines
from verif.vector.lane_alone import run_lane

CENTRAL = {
    "request_is_not_held": (
        "priority.HeldPriority",
        "Mux(held.any(), held, lowest)",
        "lowest",
        r"port (request|psum_request)\.",
    ),
    "write_moves_before_its_grant": (
        "combiner.WriteCombiner",
        "out_free.eq(~self.want | self.granted)",
        "out_free.eq(1)",
        "Assertion violated: a word moves when the one before is granted",
    ),
    "buffer_is_overrun": (
        "stream.SourceStream",
        "level != ELEMENT_BUFFER",
        "level != ELEMENT_BUFFER + 1",
        r"port (to_lanes\.push|request|stalled|psum_request)",
    ),
    "word_is_read_again_for_each_element": (
        "stream.SourceStream",
        "(~word_known | (self.word != last_word))",
        "1",
        r"port (request|stalled|to_lanes\.load)",
    ),
    "mask_of_a_small_element_covers_a_granule": (
        "combiner.WriteCombiner",
        "byte_mask(size)",
        "byte_mask(size + 1)",
        r"port request\.mask",
    ),
}

GROUPED = {
    "group_is_torn_apart": ("(setup.grouped & self._phase.any() & ~available)", "0", r"port (request|to_lanes)"),
    "scale_of_the_last_element": ("(left == 0)", "(left == 3)", r"port (request|to_lanes\.scale_place)"),
    "finishes_before_its_scales": ("(scales.idle | ~setup.grouped)", "1", r"port (ready|active|finish)"),
    "scales_go_to_every_partition": ("self.request.scales.eq(1)", "self.request.scales.eq(0)", r"port request"),
}

DRAWN = {
    "elements_behind_the_last_draw": (" & ~(combiner.leaving & combiner.last)", "", r"port to_lanes\.draw"),
    "drawn_a_stage_late": ("occupied[-2] & unfinished", "occupied[-1] & unfinished", r"port to_lanes\.draw"),
    "every_cast_draws": ("(setup.rounding == Rounding.STOCHASTIC)", "1", r"port to_lanes\.draw"),
}
DRAWING_LANE = {
    "lane_that_takes_no_part_steps": "generator.step.eq(control.draw)",
    "lane_steps_with_the_pipeline": "generator.step.eq(enable)",
    "lane_never_steps": "generator.step.eq(0)",
}

LANE = {
    "relu_keeps_negative_numbers": ("scalar", "with m.Elif(passing[-1])", "with m.Elif(0)"),
    "small_result_is_cut_off": (
        "vector",
        "result.eq(narrow.o)",
        f"result.eq(Mux(setup.dst_dtype == {BF16.code}, function[16:], narrow.o))",
    ),
    "second_step_ignores_the_bias_of_its_partition": (
        "scalar",
        "_choice(setup.operand[step], self._operand_inputs, operands)",
        "_choice(setup.operand[0], self._operand_inputs, operands)",
    ),
    "word_is_not_kept": ("vector", "Mux(control.load[s], self.sbuf_data, word)", "self.sbuf_data"),
}


@pytest.mark.parametrize("fault", CENTRAL)
def test_planted_fault_in_the_central_part_is_caught(fault, monkeypatch):
    place, old, new, says = CENTRAL[fault]
    monkeypatch.setattr(f"makalu.hw.lanes.engine.{place.split('.')[1]}", planted_class(f"lanes.{place}", old, new))
    config = load_preset("tiny")
    programs = {name: random_instructions(config, engine=name, count=40, seed=5) for name in ENGINES}
    with pytest.raises(AssertionError, match=says if "Assertion" in says else rf"last tags issued: \w+ \d+.*{says}"):
        run_engines(config, programs, gap=0, limit=3000)


@pytest.mark.parametrize(
    ("core", "fault", "count", "seed"),
    [
        *(("eight-mx", fault, 60, 12) for fault in GROUPED),
        *(("stochastic", fault, 40, 5) for fault in DRAWN),
    ],
)
def test_planted_fault_in_what_some_cores_have_is_caught(core, fault, count, seed, monkeypatch):
    old, new, says = (GROUPED | DRAWN)[fault]
    monkeypatch.setattr("verif.vector.central.LaneEngine", planted_class("lanes.engine.LaneEngine", old, new))
    config = bench_config(core)
    programs = {name: random_instructions(config, engine=name, count=count, seed=seed) for name in ENGINES}
    with pytest.raises(AssertionError, match=rf"last tags issued: \w+ \d+.*{says}"):
        run_engines(config, programs, gap=0, limit=6000)


@pytest.mark.parametrize("fault", DRAWING_LANE)
def test_planted_fault_in_a_drawing_lane_is_caught(fault):
    faulty = planted_class("lanes.lane.Lane", "generator.step.eq(takes_part & control.draw)", DRAWING_LANE[fault])
    config = bench_config("stochastic")
    program = random_instructions(config, engine="vector", count=60, seed=2)
    with pytest.raises(AssertionError, match=r"last tags issued: vector \d+: cycle \d+, port write_data: RTL"):
        run_lane(config, program, engine="vector", partition=3, lane=faulty)


@pytest.mark.parametrize("fault", LANE)
def test_planted_fault_in_the_lane_is_caught(fault):
    engine, old, new = LANE[fault]
    config = load_preset("tiny")
    program = random_instructions(config, engine=engine, count=60, seed=2)
    with pytest.raises(AssertionError, match=rf"last tags issued: {engine} \d+: cycle \d+, port write_data: RTL"):
        run_lane(config, program, engine=engine, partition=1, lane=planted_class("lanes.lane.Lane", old, new))


OUTLIVES = Fault(
    name="instructions-outlive-a-reset",
    line=r"always @\(posedge clk\)\s+active <= (.*);",
    becomes=r"reg kept = 0; always @(posedge clk) begin active <= rst ? kept : \1; if (!rst) kept <= \1; end",
    times=len(ENGINES),
    test="both_engines",
)


@pytest.mark.slow
def test_what_outlives_a_reset_is_caught():
    says = rf"test_vector\.{OUTLIVES.test}: .*cycle \d, port (sequencer__)?(vector|scalar)__"
    caught("vector", "tiny-icarus", OUTLIVES, says=says)
