"""A compiled run of the core, again on the lockstep models: every observed port in every cycle, bus and registers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from makalu.sim_models.lockstep.core import CoreModel
from makalu.sim_models.lockstep.host import ScriptHost, start_script
from makalu.sim_models.lockstep.memory import FixedMemory
from makalu.spec.config import CoreConfig
from makalu.spec.isa import QUEUES, Queue
from makalu.spec.memory import MemoryTiming
from makalu.spec.registers import COUNTERS, REGISTERS
from makalu.sw.rtl.machine import Machine, RunResult
from verif.core.observation import Comparison, row_bytes

__all__ = ["Replayed", "check_counters", "check_replay"]

_CHANNELS = {
    "aw": "data__aw",
    "w": "data__w",
    "b": "data__b",
    "ar": "data__ar",
    "r": "data__r",
    "iar": "instructions__ar",
    "ir": "instructions__r",
}


@dataclass(frozen=True)
class Replayed:
    cycles: int
    handshakes: int


def check_counters(registers: Mapping[str, int]) -> None:
    """busy + stalls + idle = cycles for every queue; the registers were read when no queue ran any more."""
    for queue in QUEUES:
        name = queue.name.lower()
        spent = {counter: registers[f"{name}_{counter}"] for counter in COUNTERS}
        assert sum(spent.values()) == registers["cycles"], f"{name}: {spent} in {registers['cycles']} cycles"


def check_replay(
    machine: Machine,
    result: RunResult,
    image: NDArray[np.uint8],
    programs: Mapping[Queue, int],
    *,
    memory: MemoryTiming,
    max_cycles: int,
    watchdog: int = 0,
    before: Sequence[Mapping[Queue, int]] = (),
) -> Replayed:
    """Model = RTL: ports of all cycles, handshakes with cycle and address, registers, memory after the run.

    The counters must add up, too. `result` is of a run with `observe="all"`, a log and the memory contract `fixed`, at
    the end of which every queue has stopped. Errors: `AssertionError`.
    """
    config: CoreConfig = machine.config
    core = CoreModel(config)
    behind = FixedMemory(
        memory=image.copy(),
        timing=memory,
        data_bytes=config.bus.data_bytes,
        instruction_bytes=config.bus.instruction_bytes,
    )
    host = ScriptHost(start_script(machine.script(programs, max_cycles, watchdog, before)))
    comparison = Comparison(config)
    log: list[tuple[int, str, int]] = []
    size = row_bytes(config)
    assert result.trace is not None and result.log is not None
    with result.trace.open("rb") as trace:
        while not host.done:
            ports = core.masters()
            answers = behind.comb(ports)
            inputs = {**host.inputs(), **answers}
            out = core.comb(inputs)
            row = trace.read(size)
            assert row, f"the RTL's run ended before cycle {core.cycle}, the model's goes on"
            comparison.add(row, out)
            both = ports | answers
            for channel, prefix in _CHANNELS.items():
                if both[f"{prefix}__valid"] and both[f"{prefix}__ready"]:
                    log.append((core.cycle, channel, both.get(f"{prefix}__addr", 0)))
            core.tick(inputs)
            behind.tick(ports, answers)
            host.tick(out)
    comparison.flush()
    _check_log(log, result.log.read_text())
    names = {register.address: name for name, register in REGISTERS.items()}
    assert {names[address]: value for address, value in host.values.items()} == result.registers
    check_counters(result.registers)
    # first what makes the memory differ, since what nobody wrote is anything in the RTL
    assert not core.sbuf.collisions, f"both ports of SBUF wrote (cycle, partition, address) {core.sbuf.collisions[0]}"
    assert not core.sbuf.undefined, (
        f"SBUF read before it was written (cycle, port, partition, word): {core.sbuf.undefined[0]}"
    )
    assert not core.psum.undefined, f"PSUM read before it was written: {core.psum.undefined[0]}"
    assert np.array_equal(behind.memory, result.image), "the memory after the run differs"
    return Replayed(comparison.cycles, len(log))


def _check_log(model: list[tuple[int, str, int]], text: str) -> None:
    rows = [line.split() for line in text.splitlines()]
    rtl = [(int(row[0]), row[1], int(row[3], 16)) for row in rows]
    mine, theirs = sorted(model), sorted(rtl)
    for a, b in zip(mine, theirs, strict=False):
        assert a == b, f"handshake: RTL {b}, model {a} (cycle, channel, address)"
    assert len(mine) == len(theirs), f"{len(theirs)} handshakes in the RTL, {len(mine)} in the model"
