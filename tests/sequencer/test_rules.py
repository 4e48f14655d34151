"""The tables of rules fit together; what the hardware makes of them is compared in verif/sequencer/test_decoders.py."""

import random

import pytest

from makalu.hw.sequencer.rules import STATIC_RULES
from makalu.sim_models.golden.check import READINGS, check_bytes
from makalu.spec.encoding import Instruction, encode
from makalu.spec.engines import QUEUE_CHANNELS, finish_depth
from makalu.spec.errors import ErrorCode
from makalu.spec.field_rules import FIELD_RULES
from makalu.spec.isa import FIELDS, INSTRUCTIONS, Opcode, OperandRule, Queue
from makalu.spec.preset import load_preset
from makalu.spec.sequencer import CHANNEL_OF, CONTROL_OPCODES, allowed_bits, queue_bits
from verif.sequencer.programs import BROKEN, broken, legal

PRESETS = ("tiny", "trn2", "trn3")


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("opcode", list(Opcode), ids=lambda o: o.name.lower())
def test_legal_instructions_are_legal_in_their_queues_only(preset, opcode):
    config, rng = load_preset(preset), random.Random(opcode)
    for _ in range(50):
        word = encode(Instruction(opcode, {k: int(v) for k, v in legal(rng, opcode, config).items()}))
        for queue in Queue:
            spec = INSTRUCTIONS[opcode]
            expected = ErrorCode.NONE if queue in spec.queues and spec.there(config) else ErrorCode.OPCODE
            assert check_bytes(word, queue, config)[0] == expected


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("code", BROKEN, ids=lambda c: c.name.lower())
def test_broken_instructions_break_that_rule(preset, code):
    config, rng = load_preset(preset), random.Random(code)
    for _ in range(50):
        queue, word = broken(rng, code, config)
        assert check_bytes(word, queue, config)[0] == code


def test_every_rule_has_a_reader_in_the_hardware_and_one_in_software():
    names = ("IN_SBUF", "IN_PSUM", "ONE_BANK", "MIXABLE", "NONE_WAITS", "IN_MEMORY", "BOUNDED")
    walked = {OperandRule[name] for name in names}
    assert set(STATIC_RULES) | walked == set(OperandRule) and not set(STATIC_RULES) & walked
    assert set(READINGS) == set(OperandRule)
    assert len({rule.text for rule in OperandRule}) == len(OperandRule)


def test_values_of_a_field_have_no_gap():
    """The hardware compares with the first and the last."""
    for rule in FIELD_RULES:
        if rule.names is not None:
            assert [*rule.names] == list(range(rule.low, rule.high(load_preset("tiny")) + 1))


def test_every_opcode_has_a_channel_of_its_queue_or_is_control():
    for opcode, spec in INSTRUCTIONS.items():
        if opcode in CONTROL_OPCODES:
            assert opcode not in CHANNEL_OF
        else:
            (queue,) = spec.queues
            assert CHANNEL_OF[opcode] in QUEUE_CHANNELS[queue]
        for queue in spec.queues:
            assert allowed_bits(opcode) & ~queue_bits(queue) == FIELDS["version"].mask, "only the decoder looks at it"


def test_depths_are_powers_of_two():
    for preset in ("tiny", "trn2-mini", "trn3"):
        for channels in QUEUE_CHANNELS.values():
            for channel in channels:
                depth = finish_depth(load_preset(preset), channel)
                assert depth & (depth - 1) == 0
