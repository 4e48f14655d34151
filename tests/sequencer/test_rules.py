"""Two readings of the rules, golden's and the sequencer model's, agree; the hardware is compared with the second."""

import random

import pytest

from makalu.sim_models.golden.check import check_bytes
from makalu.sim_models.lockstep.instruction_rules import verdict
from makalu.spec.encoding import Instruction, encode
from makalu.spec.engines import QUEUE_CHANNELS, finish_depth
from makalu.spec.errors import ErrorCode
from makalu.spec.isa import FIELDS, INSTRUCTIONS, Opcode, Queue
from makalu.spec.preset import load_preset
from makalu.spec.sequencer import CHANNEL_OF, CONTROL_OPCODES, allowed_bits, queue_bits
from verif.sequencer.programs import BROKEN, broken, legal, replace_field

PRESETS = ("tiny", "trn2")


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("opcode", list(Opcode), ids=lambda o: o.name.lower())
def test_legal_instructions_are_legal_in_their_queues_only(preset, opcode):
    config, rng = load_preset(preset), random.Random(opcode)
    for _ in range(50):
        word = encode(Instruction(opcode, {k: int(v) for k, v in legal(rng, opcode, config).items()}))
        for queue in Queue:
            expected = ErrorCode.NONE if queue in INSTRUCTIONS[opcode].queues else ErrorCode.OPCODE
            assert verdict(int.from_bytes(word, "little"), queue, config) == expected
            assert check_bytes(word, queue, config)[0] == expected


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("code", BROKEN, ids=lambda c: c.name.lower())
def test_broken_instructions_break_that_rule(preset, code):
    config, rng = load_preset(preset), random.Random(code)
    for _ in range(50):
        queue, word = broken(rng, code, config)
        assert verdict(int.from_bytes(word, "little"), queue, config) == code
        assert check_bytes(word, queue, config)[0] == code


@pytest.mark.parametrize("preset", PRESETS)
def test_both_readings_agree_on_mutants(preset):
    config, rng = load_preset(preset), random.Random(7)
    seen = set()
    for _ in range(6000):
        opcode = rng.choice(list(Opcode))
        queue = rng.choice(INSTRUCTIONS[opcode].queues)
        word = encode(Instruction(opcode, {k: int(v) for k, v in legal(rng, opcode, config).items()}))
        for _ in range(rng.choice((1, 1, 2))):
            name = rng.choice(list(FIELDS))
            f = FIELDS[name]
            value = rng.randint(f.low, f.high)
            word = replace_field(word, name, rng.choice((0, 1, 2, f.high, f.low, value, value >> f.bits // 2)))
        code = verdict(int.from_bytes(word, "little"), queue, config)
        assert check_bytes(word, queue, config)[0] == code, word.hex()
        seen.add(code)
    assert seen >= {ErrorCode.NONE, *BROKEN}


def test_every_opcode_has_a_channel_of_its_queue_or_is_control():
    for opcode, spec in INSTRUCTIONS.items():
        if opcode in CONTROL_OPCODES:
            assert opcode not in CHANNEL_OF
        else:
            (queue,) = spec.queues
            assert CHANNEL_OF[opcode] in QUEUE_CHANNELS[queue]
        for queue in spec.queues:
            assert allowed_bits(opcode) & ~queue_bits(queue) == 0


def test_depths_are_powers_of_two():
    for preset in ("tiny", "trn2-mini", "trn3"):
        for channels in QUEUE_CHANNELS.values():
            for channel in channels:
                depth = finish_depth(load_preset(preset), channel)
                assert depth & (depth - 1) == 0
