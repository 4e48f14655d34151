"""Random programs run strictly on the golden machine and give the same images in every legal order."""

from dataclasses import replace

import pytest

from makalu.sim_models.golden.machine import Machine
from makalu.spec.encoding import Instruction, encode
from makalu.spec.isa import INSTRUCTIONS, Opcode, Queue
from makalu.spec.preset import load_preset
from makalu.sw.random_programs.program import random_program
from makalu.sw.run import run_golden_machine

SEEDS = range(12)
SIZES = [(40, 64), (80, 16), (190, 64)]


def images(result):
    return result.memory.tobytes(), result.sbuf.tobytes(), result.psum.tobytes(), result.semaphores


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("preset", ["tiny", "trn2-mini"])
def test_random_program_has_one_result(preset, seed):
    config = load_preset(preset)
    instructions, elements = SIZES[seed % len(SIZES)]
    made = random_program(config, seed=seed, instructions=instructions, elements=elements)
    first = run_golden_machine(made.program, made.inputs, config=config)
    assert not first.findings and not first.errors and not first.blocked
    for order in range(3):
        assert images(run_golden_machine(made.program, made.inputs, config=config, seed=order)) == images(first)


def without_waits(program):
    """The same program, but nobody waits for anybody."""
    streams = {}
    for queue, stream in program.executed().items():
        bare = [(i.opcode, {k: v for k, v in i.values.items() if not k.startswith("wait")}) for i in stream]
        streams[queue] = b"".join(encode(Instruction(opcode, values)) for opcode, values in bare)
    return replace(program, streams=streams)


def test_missing_waits_are_noticed():
    """The test above can fail: without semaphores another order gives other images, or reads the unwritten."""
    config = load_preset("tiny")
    made = random_program(config, seed=1, instructions=80)
    first = run_golden_machine(made.program, made.inputs, config=config)
    machine = Machine(config, strict=False)
    bare = without_waits(made.program)
    image = bare.image(made.inputs)
    for order in range(3):
        result = machine.run(image, bare.addresses, seed=order)
        assert result.findings or images(result) != images(first)


def test_seed_decides_the_program():
    config = load_preset("tiny")
    one, same, other = (random_program(config, seed=seed) for seed in (3, 3, 4))
    words = [each.inputs["fp32"].array for each in (one, same)]
    assert one.program == same.program and (words[0] == words[1]).all()
    assert one.program.streams != other.program.streams


@pytest.mark.parametrize("preset", ["tiny", "trn2-mini", "trn3-mini"])
def test_programs_reach_every_queue_and_opcode(preset):
    config = load_preset(preset)
    seen = set()
    for seed in SEEDS:
        made = random_program(config, seed=seed, instructions=190)
        result = run_golden_machine(made.program, made.inputs, config=config)
        seen |= {(queue, opcode) for queue, opcode, _ in result.executed}
        assert made.program.instructions <= 256
    assert {opcode for _, opcode in seen} == {opcode for opcode in Opcode if INSTRUCTIONS[opcode].there(config)}
    assert {queue for queue, _ in seen} == set(Queue)
