"""Hand-made programs for the golden machine: streams of instructions in a memory image."""

from collections.abc import Mapping, Sequence

import numpy as np

from makalu.sim_models.golden.machine import Machine, Result
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction, encode
from makalu.spec.formats import FORMATS
from makalu.spec.isa import INSTRUCTION_BYTES, Opcode, Queue, Space
from makalu.spec.preset import load_preset

__all__ = ["TINY", "assembled", "legal", "operand_values", "run"]

TINY = load_preset("tiny")
STREAM_BYTES = 0x1000
DATA = 0x8000
MEMORY_BYTES = 0x10000


def operand_values(slot, space, dtype, *, offset=0, sizes=(1, 1, 1, 1), strides=(1, 0, 0, 0), partition=0):
    """Field values of one operand slot."""
    values = {
        f"{slot}_space": int(space),
        f"{slot}_dtype": FORMATS[dtype].code,
        f"{slot}_partition": partition,
        f"{slot}_offset": offset,
    }
    for d in range(4):
        values |= {f"{slot}_size{d}": sizes[d], f"{slot}_stride{d}": strides[d]}
    return values


def legal(opcode: Opcode) -> dict[str, int]:
    """Values of a legal instruction on `tiny`: four partitions, four elements, nothing overlaps.

    Of a load_sparse: on a core that has it.
    """
    row = {"sizes": (4, 1, 1, 1)}
    sbuf = Space.SBUF
    match opcode:
        case Opcode.HALT | Opcode.NOP:
            return {}
        case Opcode.LOAD_STATIONARY:
            return {**operand_values("src0", sbuf, "bf16", **row), "partitions": 4}
        case Opcode.LOAD_SPARSE:
            tags = operand_values("src1", sbuf, "uint16", offset=16)
            return {**operand_values("src0", sbuf, "bf16", **row), **tags, "partitions": 4, "ratio": 2}
        case Opcode.MATMUL:
            return {
                **operand_values("dst", Space.PSUM, "fp32", **row),
                **operand_values("src0", sbuf, "bf16", offset=8, **row),
                "partitions": 4,
                "columns": 4,
            }
        case Opcode.MEMSET:
            return {**operand_values("dst", sbuf, "fp32", offset=64, **row), "partitions": 4, "immediate0": 0x3FC00000}
        case Opcode.TENSOR_COPY | Opcode.TENSOR_TENSOR | Opcode.TENSOR_SCALAR | Opcode.ACTIVATION:
            values = {
                **operand_values("dst", sbuf, "fp32", offset=64, **row),
                **operand_values("src0", sbuf, "fp32", offset=0, **row),
                "partitions": 4,
            }
            if opcode == Opcode.TENSOR_TENSOR:
                values |= operand_values("src1", sbuf, "fp32", offset=16, **row)
            if opcode == Opcode.ACTIVATION:
                values["function"] = 1
            return values
    slot = "dst" if opcode == Opcode.DMA_LOAD else "src0"
    memory = {"address": DATA, "memory_stride0": 4, "memory_stride4": 16}
    return {**operand_values(slot, sbuf, "fp32", **row), **memory, "partitions": 4}


def assembled(streams: Mapping[Queue, Sequence[Instruction]]) -> tuple[np.ndarray, dict[Queue, int]]:
    """Memory image and program addresses; random floats from `DATA` on."""
    memory = np.zeros(MEMORY_BYTES, np.uint8)
    addresses = {}
    for queue, stream in streams.items():
        addresses[queue] = STREAM_BYTES * (queue + 1)
        for i, instruction in enumerate(stream):
            at = addresses[queue] + i * INSTRUCTION_BYTES
            memory[at : at + INSTRUCTION_BYTES] = np.frombuffer(encode(instruction), np.uint8)
    data = np.random.default_rng(0).normal(size=(MEMORY_BYTES - DATA) // 4).astype(np.float32)
    memory[DATA:] = data.view(np.uint8)
    return memory, addresses


def run(
    streams: Mapping[Queue, Sequence[Instruction]],
    *,
    config: CoreConfig = TINY,
    strict: bool = True,
    seed: int | None = None,
) -> Result:
    """Run hand-made streams on the golden machine."""
    memory, addresses = assembled(streams)
    return Machine(config, strict=strict).run(memory, addresses, seed=seed)
