"""Two readings of the rules agree on every encoded instruction: the checker of the software and the sequencer's model.

The sequencer's bench compares that model with the RTL, so software refuses what the hardware refuses.
"""

import numpy as np
import pytest

from makalu.sim_models.golden.check import check_bytes
from makalu.sim_models.lockstep.instruction_rules import verdict
from makalu.spec.encoding import Instruction, encode
from makalu.spec.errors import ErrorCode
from makalu.spec.isa import FIELDS, INSTRUCTION_BYTES, INSTRUCTIONS, Opcode, Queue, used_fields
from makalu.spec.preset import load_preset

from .programs import legal

COUNT = 4000


def mutated(random, opcode, config):
    """A legal instruction of `tiny` with up to three fields changed, most of them by a little."""
    values = dict(legal(opcode))
    if "operand0_tensor" in used_fields(opcode) and random.random() < 1 / 2:
        values |= {"src1_space": 1, "src1_dtype": 1, "operand0_tensor": 1} | {f"src1_size{d}": 1 for d in range(4)}
    names = [name for name in used_fields(opcode) if name != "opcode"]
    for _ in range(random.integers(0, 4)):
        f = FIELDS[names[random.integers(len(names))]]
        near = values.get(f.name, 0) + int(random.integers(-5, 6))
        value = near if random.random() < 2 / 3 else f.low + int.from_bytes(random.bytes(8)) % (f.high - f.low + 1)
        values[f.name] = min(max(value, f.low), f.high)
    if random.random() < 1 / 4:  # near the ends of the memories
        slot = ("dst", "src0")[random.integers(2)]
        if f"{slot}_offset" in names:
            end = (config.psum.bank_bytes, config.psum.partition_bytes, config.sbuf.partition_bytes)[random.integers(3)]
            values[f"{slot}_offset"] = end - 4 * int(random.integers(0, 6))
    data = bytearray(encode(Instruction(opcode, values)))
    if random.random() < 1 / 16:
        bit = int(random.integers(8 * INSTRUCTION_BYTES))
        data[bit // 8] ^= 1 << bit % 8
    return bytes(data)


@pytest.mark.parametrize("preset", ["tiny", "trn2-mini"])
def test_checker_and_sequencer_model_agree(preset):
    config, random, seen = load_preset(preset), np.random.default_rng(0), {}
    for _ in range(COUNT):
        opcode = Opcode(random.choice(list(Opcode)))
        queues = INSTRUCTIONS[opcode].queues
        queue = queues[random.integers(len(queues))] if random.random() < 31 / 32 else Queue(random.integers(4))
        data = mutated(random, opcode, config)
        code, text = check_bytes(data, queue, config)
        assert code == verdict(int.from_bytes(data, "little"), queue, config), f"{data.hex()} on {queue.name}: {text}"
        seen[code] = seen.get(code, 0) + 1
    rules = [*(c for c in ErrorCode if c <= ErrorCode.SEMAPHORE), ErrorCode.MEMORY_ADDRESS]
    assert all(seen.get(code, 0) >= COUNT // 400 for code in rules), seen
