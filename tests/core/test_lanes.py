"""Lanes does what Verilator does: trace, handshakes, registers and memory of random programs, errors and restarts.

On `tiny`, which other tests build anyway, Verilator is the oracle; on the other presets golden, the lockstep and the
timing model are, and Verilator is in `tests/soak`.
"""

import functools
import shutil

import numpy as np
import pytest

from makalu.spec.isa import Opcode, Queue
from makalu.spec.memory import NO_STALLS, MemoryTiming, StallProbabilities
from makalu.spec.registers import Status
from makalu.sw.random_programs.program import random_program
from makalu.sw.rtl.machine import Machine
from makalu.sw.rtl.soak import make_case, run_case
from makalu.sw.rtl.timing import first_difference as first_event
from makalu.sw.rtl.timing import largest_difference
from tests.core.bad_input import CONFIG, OUTSIDE, WATCHDOG, SettlingMachine, spoil_first, with_fields
from tests.core.replay import check_replay
from tests.core.test_restart import behind
from tests.core.timed import Case, accounts
from tests.rtl.lanes.machines import case_arguments, first_difference, lanes_machine, ran
from verif.lib.variants import bench_config

pytestmark = pytest.mark.slow

SEEDS = range(4)


ALONE = ("eight-background", "trn2-mini")
TIMING = MemoryTiming.of(CONFIG.memory, latency=10)
STALLS = StallProbabilities(aw=90, w=60, b=90, ar=90, r=60, iar=90, ir=60, seed=5)


def test_replay():
    """Every port of the slow engines' core, in every cycle, is that of the lockstep model.

    L = 2, words of 16 bytes, six banks, engines at 2/5 and 1/2 of the array's clock.
    """
    config = bench_config("slow-engines")
    case = random_program(config, seed=43, instructions=60, elements=8)
    image, programs = case.program.image(case.inputs), case.program.addresses
    arguments = {"memory": MemoryTiming.of(config.memory, latency=20), "max_cycles": 20_000}
    machine = lanes_machine("slow-engines", "all")
    result = machine.run(image, programs, log=True, seed=0, **arguments)
    check_replay(machine, result, image, programs, **arguments)
    shutil.rmtree(result.trace.parent)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ALONE)
def test_random_program_without_verilator(name, seed):
    """Every byte is golden's, every issue and finish in the predicted cycle; behind stalls by the run's handshakes."""
    case = make_case(bench_config(name), seed)
    print(case)
    program, machine = case.random.program, lanes_machine(name)
    assert run_case(machine, case).fault is None
    arguments = case_arguments(case)
    result = machine.run(arguments.pop("image"), arguments.pop("programs"), **arguments, log=True)
    memory = case.memory if case.stalls == NO_STALLS else None
    timeline, trace = accounts(Case(name, program, case.random.inputs), result, memory)
    assert len(trace.issues()) == program.instructions
    assert largest_difference(timeline, trace) == 0, first_event(timeline, trace)
    assert timeline.cycles == result.cycles


# tiny: everything that the core shows


@functools.cache
def verilator(kind=Machine):
    """The build of `observed_machine`."""
    return kind(config=CONFIG, observe="all")


def same(image, programs, *, kind=Machine, **arguments):
    """A run of lanes, which equals Verilator's in every observed bit of every cycle; both start at 0."""
    arguments = {"max_cycles": 100_000, "memory": TIMING, "seed": 0, **arguments}
    lanes = ran(lanes_machine("tiny", "all", kind), image, programs, **arguments)
    assert first_difference(lanes, ran(verilator(kind), image, programs, **arguments)) is None
    return lanes


def program(seed):
    return random_program(CONFIG, seed=seed, instructions=60, elements=8)


@pytest.mark.parametrize("seed", (1, 3, 5))
def test_every_observed_bit(seed):
    """Odd seeds have stalls on all channels."""
    case = make_case(CONFIG, seed)
    assert case.stalls != NO_STALLS
    assert same(**case_arguments(case)).registers["status"] == Status.DONE


ERRORS = {
    "bad-input": (Queue.VECTOR, lambda i: True, {"opcode": 0x7F}),
    "bus-error": (Queue.SYNC, lambda i: i.opcode == Opcode.DMA_LOAD, {"address": OUTSIDE}),
    "bus-error-of-a-store": (Queue.GPSIMD, lambda i: i.opcode == Opcode.DMA_STORE, {"address": OUTSIDE}),
    "watchdog": (Queue.TENSOR, lambda i: True, {"wait0_kind": 1, "wait0_value": 0x3FFF}),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_error(kind):
    """One queue stops, the others where they wait for it."""
    queue, wanted, values = ERRORS[kind]
    case = spoil_first(queue, wanted, lambda data: with_fields(data, **values))
    lanes = same(case.image, case.addresses, kind=SettlingMachine, watchdog=WATCHDOG)
    assert lanes.registers["status"] == lanes.registers["interrupt"] == Status.ERROR
    assert lanes.registers[f"{queue.name.lower()}_error"]


def test_starts_without_reset():
    """A program that fails, and two more."""
    bad = spoil_first(Queue.SCALAR, lambda i: True, lambda data: with_fields(data, opcode=0x7F))
    image, first = behind(bad.image, program(2).program, program(2).inputs)
    image, second = behind(image, program(3).program, program(3).inputs)
    lanes = same(image, second, kind=SettlingMachine, before=[bad.addresses, first], watchdog=WATCHDOG, stalls=STALLS)
    assert [each["status"] for each in lanes.earlier] == [Status.ERROR, Status.DONE]
    assert lanes.registers["status"] == Status.DONE


def test_one_wrong_bit_is_a_difference():
    """Of the trace, the log, the registers and the memory."""
    image, programs = program(4).program.image(program(4).inputs), program(4).program.addresses
    lanes, other = (same(image, programs) for _ in range(2))
    assert first_difference(lanes, other) is None
    other.memory[99] ^= 1
    assert first_difference(lanes, other).startswith("memory at 0x63")
    other.registers["cycles"] += 1
    assert first_difference(lanes, other).startswith("registers 0")
    object.__setattr__(other, "log", other.log.replace(" ir ", " iar ", 1))
    assert first_difference(lanes, other).startswith("handshakes")
    other.trace.raw[77, 3] ^= 4
    assert first_difference(lanes, other) == "trace in cycle 77, bytes [3]"


# random start


@pytest.mark.parametrize("seed", (1, 2, 3))
@pytest.mark.parametrize("name", ("tiny", "trn2-mini"))
def test_start_does_not_matter(name, seed):
    """Registers without reset and memories start at random: memory, registers and events are those of a start at 0."""
    case = make_case(bench_config(name), 10 + seed)
    machine = lanes_machine(name, "all" if name == "tiny" else "trace")
    fixed = ran(machine, **case_arguments(case))
    random = ran(machine, **{**case_arguments(case), "seed": seed})
    assert np.array_equal(fixed.memory, random.memory) and fixed.registers == random.registers
    assert fixed.trace.issues() == random.trace.issues() and fixed.trace.finishes() == random.trace.finishes()
    assert fixed.log == random.log
    if name == "tiny":  # it did start elsewhere
        assert not np.array_equal(fixed.trace.raw, random.trace.raw)
