"""docs/attach.md: its tables and Verilog are those of the ports, and its code starts the core."""

import functools
import re

import numpy as np
import pytest

from makalu.examples.gemm.gemm import gemm
from makalu.sim_models.lockstep.core import CoreModel
from makalu.sim_models.lockstep.dma_bursts import bursts, unit_count
from makalu.sim_models.lockstep.host import ScriptHost
from makalu.sim_models.lockstep.memory import FixedMemory
from makalu.spec.encoding import decode
from makalu.spec.formats import BF16
from makalu.spec.isa import INSTRUCTION_BYTES, Queue
from makalu.spec.memory import MemoryTiming
from makalu.spec.preset import load_preset
from makalu.spec.registers import REGISTERS, Status
from makalu.sw.blocks.tables import shown_presets
from makalu.sw.cli.docs import showing
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.paths import ROOT
from makalu.sw.rtl.instantiation import attach_tables, longest_burst
from makalu.sw.rtl.machine import Machine
from makalu.sw.run import run_golden_machine

PAGE = (ROOT / "docs/attach.md").read_text()
TINY = load_preset("tiny")
TIMING = MemoryTiming.of(TINY.memory, latency=6)
MOST = 5000
SHAPE = (4, 8)


def test_page_is_current():
    assert showing(PAGE, attach_tables(shown_presets())) == PAGE, "run makalu docs"


def test_the_longest_burst_is_reached():
    """Rows of 33 bf16: all but the first begin inside of a beat."""

    def copy(x):
        out = nl.ndarray(x.shape, nl.bfloat16, buffer=nl.shared_hbm)
        nl.store(out, nl.load(x))
        return out

    stream = compile_kernel(copy, TINY, x=TensorSpec((4, 33), BF16)).streams[Queue.SYNC]
    beat = TINY.bus.data_bytes
    walked = bursts(TINY, decode(stream[:INSTRUCTION_BYTES]))
    assert max(unit_count(b.address % beat, b.length, beat) for b in walked) == longest_burst(TINY)


class ModelBus:
    """The core's model behind its control port; keeps what a host did."""

    def __init__(self, image):
        self.core = CoreModel(TINY)
        self.memory = FixedMemory(
            memory=image, timing=TIMING, data_bytes=TINY.bus.data_bytes, instruction_bytes=TINY.bus.instruction_bytes
        )
        self.script = []

    def _play(self, *line):
        host = ScriptHost([line])
        while not host.done:
            asked = self.core.masters()
            inputs = {**host.inputs(), **self.memory.comb(asked)}
            out = self.core.comb(inputs)
            self.core.tick(inputs)
            self.memory.tick(asked)
            host.tick(out)
        assert host.responses in ([0], [])
        self.script.append(line)
        return host

    def write(self, address, value):
        self._play("write", address, value)

    def read(self, address):
        return self._play("read", address, 0).values[address]

    def wait_for_interrupt(self):
        self._play("wait", MOST, 0)


def start_up():
    """The page's function."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    names = {}
    exec(compile(code, "attach.md", "exec"), names)
    return names["run"]


@functools.cache
def case():
    """(image before, programs, image after by golden)"""
    program = compile_kernel(gemm, TINY, a=TensorSpec(SHAPE, BF16), b=TensorSpec(SHAPE, BF16))
    random = np.random.default_rng(3)
    inputs = {name: random.normal(size=SHAPE) for name in ("a", "b")}
    return program.image(inputs), program.addresses, run_golden_machine(program, inputs, config=TINY).memory


@functools.cache
def started():
    """(bus after the run, registers)"""
    image, programs, _ = case()
    bus = ModelBus(image.copy())
    return bus, start_up()(bus, int(TINY.digest[:8], 16), programs, watchdog=500)


def test_the_code_of_the_page_runs_a_program():
    bus, registers = started()
    assert np.array_equal(bus.memory.memory, case()[2])
    assert registers["status"] == Status.DONE and registers.keys() == REGISTERS.keys()
    assert bus.read(REGISTERS["interrupt"].address) == 0, "the interrupt has been cleared"


def test_the_code_names_the_queue_that_stopped():
    image, programs, _ = case()
    image = image.copy()
    image[programs[Queue.SCALAR]] = 0xFF
    with pytest.raises(RuntimeError, match=rf"scalar stopped with OPCODE at {programs[Queue.SCALAR]:#x}"):
        start_up()(ModelBus(image), int(TINY.digest[:8], 16), programs)


def test_the_code_refuses_another_core():
    image, programs, _ = case()
    with pytest.raises(AssertionError):
        start_up()(ModelBus(image.copy()), 0, programs)


class Played(Machine):
    """Plays the accesses of `started`, without the reads in front and the last write, which a machine does not know."""

    def script(self, programs, max_cycles, watchdog, before=(), random=0):
        lines = started()[0].script
        first = next(i for i, line in enumerate(lines) if line[0] == "write")
        wait = next(i for i, line in enumerate(lines) if line[0] == "wait")
        kept = lines[first : wait + 1 + len(REGISTERS)]
        return "".join(f"{word} {a:x}\n" if word != "write" else f"write {a:x} {b:x}\n" for word, a, b in kept)


@pytest.mark.slow
def test_the_same_accesses_start_the_rtl():
    """The machine that tests/core builds anyway."""
    image, programs, after = case()
    result = Played(config=TINY, observe="trace", fast=True).run(image, programs, max_cycles=MOST, memory=TIMING)
    result.discard()
    assert np.array_equal(result.image, after)
    registers = started()[1]
    # two reads of the page's code come before the start, so the frame is another one, and cycles may differ
    assert {name: result.registers[name] for name in ("status", "interrupt", "enable", "digest")} == {
        name: registers[name] for name in ("status", "interrupt", "enable", "digest")
    }
