"""The harness around a core: script, interrupt, registers, trace, log and dump, on both simulators."""

import contextlib
import re

import numpy as np
import pytest

from makalu.spec.isa import Queue
from makalu.spec.memory import MemoryTiming, StallProbabilities
from makalu.spec.preset import load_preset
from makalu.sw.rtl import machine as module
from makalu.sw.rtl import run_files
from makalu.sw.rtl.machine import Machine, MachineError, MachineTimeout
from tests.rtl.copy_core import BEATS, FORBIDDEN, CopyCore

CONFIG = load_preset("tiny")
BEAT = CONFIG.bus.data_bytes
SIZE, PROGRAM, TARGET = 4096, 0x800, 0x400
TIMING = MemoryTiming(latency=10, numerator=BEAT)
SIMULATORS = ["verilator", pytest.param("icarus", marks=pytest.mark.icarus)]


def image(target=TARGET):
    content = np.random.default_rng(3).integers(0, 256, SIZE, np.uint8)
    content[PROGRAM : PROGRAM + 8] = np.frombuffer(target.to_bytes(8, "little"), np.uint8)
    return content


@pytest.fixture(scope="module", params=SIMULATORS)
def machine(request):
    core = CopyCore(config=CONFIG)
    return Machine(config=CONFIG, simulator=request.param, observe="trace", memory_bytes=1 << 16, core=core)


def test_copies_and_reports(machine):
    before = image()
    result = machine.run(before, {Queue.TENSOR: PROGRAM}, max_cycles=1000, memory=TIMING, log=True)
    after = before.copy()
    after[TARGET : TARGET + BEATS * BEAT] = before[: BEATS * BEAT]
    assert np.array_equal(result.memory, after)
    # a fetch, a read and a write answer of latency 10 each, and the handshakes between them
    assert 30 < result.cycles < result.simulated_cycles < 60
    assert result.registers["interrupt"] == 2 and result.seconds > 0 and result.cycles_per_second > 0
    lines = [line.split() for line in result.log.read_text().splitlines()]
    channels = [line[1] for line in lines]
    assert {name: channels.count(name) for name in ("iar", "ir", "ar", "r", "aw", "w", "b")} == {
        "iar": 1,
        "ir": 1,
        "ar": 1,
        "r": BEATS,
        "aw": 1,
        "w": BEATS,
        "b": 1,
    }
    fetch = next(line for line in lines if line[1] == "iar")
    assert int(fetch[3], 16) == PROGRAM
    assert int(next(line for line in lines if line[1] == "ir")[0]) == int(fetch[0]) + 1 + TIMING.latency


def test_trace_has_every_cycle(machine):
    result = machine.run(image(), {Queue.TENSOR: PROGRAM}, max_cycles=1000, memory=TIMING)
    width = (8 + 8 * BEAT + 2 + 7) // 8
    rows = np.fromfile(result.trace, np.uint8).reshape(-1, width)
    assert len(rows) > result.simulated_cycles
    assert np.array_equal(rows[:, 0], np.arange(len(rows)) % 256)


def test_stalls_change_time_but_no_byte(machine):
    plain = machine.run(image(), {Queue.TENSOR: PROGRAM}, max_cycles=1000, memory=TIMING)
    stalls = StallProbabilities(aw=200, w=200, b=200, ar=200, r=200, iar=200, ir=200, seed=9)
    stalled = machine.run(image(), {Queue.TENSOR: PROGRAM}, max_cycles=1000, memory=TIMING, stalls=stalls)
    assert np.array_equal(plain.memory, stalled.memory) and stalled.cycles > plain.cycles + 10


@pytest.mark.parametrize(("name", "kept"), [("dump", 0.5), ("trace", 0.05), ("log", 0.99)])
def test_a_file_that_had_no_room_is_an_error(machine, monkeypatch, name, kept):
    """Simulators do not look whether a write succeeds. Of a trace, the cycles until the interrupt must be there."""
    right = module.simulate

    def cut(command, report):
        right(command, report)
        (path,) = (argument.partition("=")[2] for argument in command if argument.startswith(f"+{name}="))
        with (run_files.RUNS / path).open("r+b") as file:
            file.truncate(int(kept * file.seek(0, 2)))

    monkeypatch.setattr(module, "simulate", cut)
    with pytest.raises(MachineError, match=f"the simulation left half of its {name}: is there room in "):
        machine.run(image(), {Queue.TENSOR: PROGRAM}, max_cycles=1000, memory=TIMING, log=True)


def test_no_interrupt_is_a_timeout(machine):
    with pytest.raises(MachineTimeout, match="no interrupt within 5 cycles: tensor idle") as caught:
        machine.run(image(), {Queue.TENSOR: PROGRAM}, max_cycles=5, memory=TIMING)
    assert caught.value.result.memory.size == SIZE


def test_an_assertion_that_fails_ends_the_run(machine):
    """With its text, the instance and the cycle: of the harness, or Icarus' time (docs/simulators.md says which)."""
    where = r"bench\.core.*nothing is copied there|nothing is copied there\n +Time: \d+ Scope: host\.bench\.core"
    with pytest.raises(MachineError, match=rf"(?s)the simulation ended with 1:.*({where})") as caught:
        machine.run(image(FORBIDDEN), {Queue.TENSOR: PROGRAM}, max_cycles=1000, memory=TIMING)
    if machine.simulator == "verilator":
        cycle = int(re.search(r"(?m)^harness: an assertion failed in cycle (\d+)$", str(caught.value))[1])
        assert str(caught.value).splitlines()[1].startswith(f"[{cycle}] %Fatal")


def test_image_must_fit(machine):
    with pytest.raises(ValueError, match="multiple of 4 from 4 to 65536 bytes, not 70000"):
        machine.run(bytes(70000), {}, max_cycles=5)


@pytest.mark.icarus
def test_icarus_says_how_far_it_is(monkeypatch):
    seen, expected = [], []

    def bar(total):
        expected.append(total)
        return contextlib.nullcontext(seen.append)

    monkeypatch.setattr("makalu.sw.rtl.machine.progress_bar", bar)
    machine = Machine(
        config=CONFIG, simulator="icarus", observe="trace", memory_bytes=1 << 16, core=CopyCore(config=CONFIG)
    )
    slow = MemoryTiming(latency=250, numerator=BEAT)
    result = machine.run(image(), {Queue.TENSOR: PROGRAM}, max_cycles=1000, memory=slow, progress=True, expected=800)
    assert expected == [800] and len(seen) > 5
    assert seen == sorted(seen) and seen[-1] < result.simulated_cycles


@pytest.mark.icarus
def test_both_simulators_agree_to_the_cycle():
    runs = [
        Machine(
            config=CONFIG,
            simulator=simulator,
            observe="trace",
            fast=simulator == "verilator",
            memory_bytes=1 << 16,
            core=CopyCore(config=CONFIG),
        ).run(image(), {Queue.TENSOR: PROGRAM}, max_cycles=1000, memory=TIMING)
        for simulator in ("verilator", "icarus")
    ]
    assert runs[0].cycles == runs[1].cycles and runs[0].simulated_cycles == runs[1].simulated_cycles
    assert runs[0].registers == runs[1].registers and np.array_equal(runs[0].memory, runs[1].memory)
