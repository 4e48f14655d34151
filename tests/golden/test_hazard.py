"""Golden reports two instructions in flight that share a word of SBUF, and nothing that is ordered or apart."""

import pytest

from makalu.spec.encoding import Instruction
from makalu.spec.isa import Opcode, Queue

from .programs import legal, operand_values, run

HALT = Instruction(Opcode.HALT)
SEEDS = range(20)


def programs(*, copied, loaded=0, partitions=(0, 0), ordered=False):
    """A load of bf16 `loaded` and a copy to bf16 `copied` (elements of a row), ordered by a semaphore or not."""
    loads, copies = legal(Opcode.DMA_LOAD), legal(Opcode.TENSOR_COPY)
    rows = {"partitions": 2}
    at = {"sizes": (1, 1, 1, 1), "strides": (1, 0, 0, 0)}
    one = operand_values("dst", 1, "bf16", offset=2 * loaded, partition=partitions[0], **at)
    source = operand_values("src0", 1, "bf16", offset=512, partition=partitions[1], **at)
    two = operand_values("dst", 1, "bf16", offset=2 * copied, partition=partitions[1], **at)
    fill = {**loads, **operand_values("dst", 1, "bf16", offset=512, **at), "signal0_kind": 1, "after": 1}
    load = Instruction(Opcode.DMA_LOAD, {**loads, **one, **rows, "signal0_kind": 1, "signal0_semaphore": 1})
    copy = {**copies, **two, **source, **rows, "wait0_kind": 1, "wait0_value": 1}
    if ordered:
        copy |= {"wait1_kind": 1, "wait1_semaphore": 1, "wait1_value": 1}
    copies = [Instruction(Opcode.TENSOR_COPY, copy), HALT]
    return {Queue.SYNC: [Instruction(Opcode.DMA_LOAD, fill), load, HALT], Queue.VECTOR: copies}


def findings(**case):
    return [f.text for seed in SEEDS for f in run(programs(**case), strict=False, seed=seed).findings]


def test_bytes_of_one_word_are_reported():
    found = findings(copied=1)
    assert found and all("SBUF word 0 to 7" in text and "no semaphore orders the two" in text for text in found)


@pytest.mark.parametrize(
    "case",
    [{"copied": 1, "ordered": True}, {"copied": 4}, {"copied": 1, "partitions": (0, 2)}],
    ids=["ordered", "next-word", "other-partitions"],
)
def test_what_is_apart_is_not(case):
    assert not findings(**case)
