"""Central parts of Vector and Scalar against the lockstep model on Amaranth's simulator; cycles that are promised."""

from dataclasses import replace
from random import Random

import pytest

from makalu.spec.config import EngineConfig
from makalu.spec.encoding import Instruction
from makalu.spec.formats import BF16, FP32
from makalu.spec.isa import AP_DIMS, AluOp, Opcode, Space
from makalu.spec.lanes import LANE_STAGES
from makalu.spec.preset import load_preset
from verif.lib.lane_programs import random_instructions
from verif.vector.central import ENGINES, run_engines

FIXED = LANE_STAGES + 5
"""Cycles from issue to finish beside the elements, at rate 1/1 and without waiting."""


def configuration(preset, vector="1/1", scalar="1/1"):
    return replace(load_preset(preset), vector=EngineConfig(rate=vector), scalar=EngineConfig(rate=scalar))


def pattern(slot, space, form, offset, count, stride=1):
    fields = {f"{slot}_space": space, f"{slot}_dtype": form.code, f"{slot}_offset": offset, f"{slot}_stride0": stride}
    return fields | {f"{slot}_size{d}": count if d == 0 else 1 for d in range(AP_DIMS)}


def cycles(config, instruction):
    ((issue, finish),) = run_engines(config, {"vector": [instruction]})["vector"]
    return finish - issue


@pytest.mark.parametrize("rates", [("1/1", "1/1"), ("2/5", "1/2"), ("1/2", "1/1"), ("7/16", "3/5")])
def test_central_part_matches_model_in_every_cycle(rates, seed=1):
    config = configuration("tiny", *rates)
    rng = Random(seed)
    masks = [rng.getrandbits(8) & rng.getrandbits(8) for _ in range(100)]
    programs = {name: random_instructions(config, engine=name, count=20, seed=seed) for name in ENGINES}
    times = run_engines(config, programs, seed=seed, owned=lambda cycle: masks[cycle // 40 % len(masks)])
    assert [len(times[name]) for name in ENGINES] == [20, 20]


@pytest.mark.parametrize("target", [FP32, BF16])
def test_eviction_of_a_psum_bank_runs_at_one_element_a_cycle(target):
    count = 512
    source, result = pattern("src0", Space.PSUM, FP32, 0, count), pattern("dst", Space.SBUF, target, 0, count)
    copy = Instruction(Opcode.TENSOR_COPY, {"partitions": 16, **source, **result})
    assert cycles(configuration("small"), copy) == count + FIXED


def test_copy_within_sbuf_uses_the_whole_port_of_a_narrow_word():
    copy = Instruction(
        Opcode.TENSOR_COPY,
        {"partitions": 4, **pattern("src0", Space.SBUF, FP32, 4096, 64), **pattern("dst", Space.SBUF, FP32, 0, 64)},
    )
    assert cycles(configuration("tiny"), copy) == 64 + FIXED


def test_two_fp32_operands_and_a_result_run_at_one_element_a_cycle():
    add = Instruction(
        Opcode.TENSOR_TENSOR,
        {
            "partitions": 16,
            "op0": AluOp.ADD,
            **pattern("src0", Space.SBUF, FP32, 4096, 512),
            **pattern("src1", Space.SBUF, FP32, 8192, 512),
            **pattern("dst", Space.SBUF, FP32, 0, 512),
        },
    )
    assert cycles(configuration("small"), add) == 512 + FIXED + 1  # src1's first word comes one cycle after src0's


def test_one_bf16_element_takes_the_read_of_its_merge():
    def one(form):
        return Instruction(
            Opcode.TENSOR_COPY,
            {"partitions": 1, **pattern("src0", Space.SBUF, FP32, 64, 1), **pattern("dst", Space.SBUF, form, 0, 1)},
        )

    config = configuration("tiny")
    assert cycles(config, one(FP32)) == FIXED + 1
    assert cycles(config, one(BF16)) == FIXED + 2


def test_next_instruction_issues_in_the_finish_cycle():
    config = configuration("tiny")
    copies = random_instructions(config, engine="vector", count=6, seed=3)
    times = run_engines(config, {"vector": copies}, gap=0)["vector"]
    assert [issue for issue, _ in times[1:]] == [finish for _, finish in times[:-1]]
