"""Functional machine: executes encoded instructions of the queues, bit for bit.

The definition of what a program computes. The queues share nothing but semaphores and memories, so a program without
races gives the same images in every legal order. By default the machine takes one instruction a queue in turn and each
takes effect where it issues. With `seed` it takes a random legal order and lets instructions take effect late; two
seeds that disagree prove a race, and two instructions of different channels in flight at once that touch one SBUF word,
one of them writing, are a finding even where their bytes differ (docs/blocks/sbuf.md, Order).
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction, decode, disassemble
from makalu.spec.engines import CHANNELS
from makalu.spec.errors import ErrorCode
from makalu.spec.isa import (
    FIELDS,
    INSTRUCTION_BYTES,
    QUEUES,
    SEMAPHORE_BITS,
    SIGNALS,
    WAITS,
    Opcode,
    Queue,
    SignalKind,
    Space,
    WaitKind,
)
from makalu.spec.sequencer import CHANNEL_OF

from .check import QueueCheck
from .dma import BusError, GoldenDma
from .elementwise import GoldenElementwise
from .hazard import SbufAccess, sbuf_accesses, shared_word
from .memory import PartitionedMemory
from .result import Deadlock, Finding, GoldenError, IllegalInstruction, QueueError, Result
from .sparsity import TagError
from .tensor import GoldenTensor

__all__ = ["Deadlock", "Finding", "GoldenError", "IllegalInstruction", "Machine", "QueueError", "Result", "reached"]

_VALUE_MASK = FIELDS["wait0_value"].high
_HALF = 1 << (FIELDS["wait0_value"].bits - 1)
REPORT_EVERY = 256
"""Instructions from one report to the next."""
_COUNTER_MASK = (1 << SEMAPHORE_BITS) - 1


@dataclass
class _QueueState:
    queue: Queue
    address: int
    check: QueueCheck
    halted: bool = False
    outstanding: int = 0
    head: Instruction | None = None


@dataclass
class _Issued:
    state: _QueueState
    address: int
    instruction: Instruction
    accesses: list[SbufAccess]


def reached(semaphore: int, value: int) -> bool:
    """The wait's condition: (semaphore - value) mod 2^16 < 2^15."""
    return (semaphore - value) & _VALUE_MASK < _HALF


class Machine:
    """One core as a function of its memory image.

    Does not: count cycles, know of ports, banks or bursts.

    Parameters
    ----------
    config : the core.
    strict : raise on the first finding, illegal instruction or deadlock instead of noting it in the result.

    Errors: `IllegalInstruction`, `Deadlock`, `GoldenError` (findings) in strict mode.
    """

    def __init__(self, config: CoreConfig, *, strict: bool = True) -> None:
        self._config = config
        self._strict = strict

    def run(
        self,
        memory: NDArray[np.uint8],
        programs: Mapping[Queue, int],
        *,
        seed: int | None = None,
        report: Callable[[int], None] | None = None,
        random: int = 0,
    ) -> Result:
        """Run from the first instruction of each queue in `programs` (byte addresses) until nothing can go on.

        `report` hears now and then how many instructions have issued; `random` is the register `seed`.
        """
        run = _Run(self._config, self._strict, memory, programs, seed, report, random)
        run.loop()
        return run.result()


class _Run:
    """State of one run: memories, engines, queues, instructions that have issued and not yet taken effect."""

    def __init__(
        self,
        config: CoreConfig,
        strict: bool,
        memory: NDArray[np.uint8],
        programs: Mapping[Queue, int],
        seed: int | None,
        tell: Callable[[int], None] | None,
        random: int,
    ) -> None:
        self._config, self._strict, self._tell = config, strict, tell
        self._random = None if seed is None else np.random.default_rng(seed)
        self._memory = np.array(memory, np.uint8, copy=True)
        self._findings: list[Finding] = []
        self._errors: dict[Queue, QueueError] = {}
        self._executed: list[tuple[Queue, Opcode, int]] = []
        self._current: tuple[Queue, int] = (Queue.TENSOR, 0)
        self._sbuf = PartitionedMemory(
            space=Space.SBUF,
            partitions=config.partitions,
            partition_bytes=config.sbuf.partition_bytes,
            report=self._report,
        )
        self._psum = PartitionedMemory(
            space=Space.PSUM,
            partitions=config.partitions,
            partition_bytes=config.psum.partition_bytes,
            report=self._report,
        )
        self._tensor = GoldenTensor(config=config, sbuf=self._sbuf, psum=self._psum, report=self._report)
        self._elementwise = GoldenElementwise(config=config, sbuf=self._sbuf, psum=self._psum, report=self._report)
        self._elementwise.start(random)
        self._tensor.generators.start(random)
        self._dma = GoldenDma(sbuf=self._sbuf, memory=self._memory, report=self._report)
        self._semaphores = [0] * config.sequencer.semaphores
        given = [queue for queue in QUEUES if queue in programs]
        self._queues = [_QueueState(queue, programs[queue], QueueCheck(queue, config)) for queue in given]
        self._channels: dict[str, deque[_Issued]] = {}

    def loop(self) -> None:
        while True:
            if self._random is None:
                # a full turn over the queues, each effect at once
                if not any([self._issue(state) and self._settle() for state in self._queues]):
                    break
                continue
            actions: list[_QueueState | str] = [state for state in self._queues if self._may_issue(state)]
            actions += [name for name, waiting in self._channels.items() if waiting]
            if not actions:
                break
            chosen = actions[int(self._random.integers(len(actions)))]
            if isinstance(chosen, str):
                self._finish(chosen)
            else:
                self._issue(chosen)
        if self._strict and self._blocked():
            lines = [f"{queue.name.lower()}: {text}" for queue, text in self._blocked().items()]
            raise Deadlock("no queue can go on; " + "; ".join(lines))

    def result(self) -> Result:
        return Result(
            memory=self._memory,
            sbuf=self._sbuf.data,
            sbuf_written=self._sbuf.written,
            psum=self._psum.data.view("<u4"),
            psum_written=self._psum.written[:, ::4],
            semaphores=tuple(self._semaphores),
            findings=self._findings,
            errors=self._errors,
            blocked=self._blocked(),
            executed=self._executed,
        )

    def _report(self, text: str) -> None:
        finding = Finding(*self._current, text)
        if self._strict:
            raise GoldenError(str(finding), queue=finding.queue, address=finding.address)
        self._findings.append(finding)

    def _stop(self, state: _QueueState, code: ErrorCode, address: int, tag: int, text: str) -> None:
        if self._strict:
            where = f"{state.queue.name.lower()} at {address:#x}"
            raise IllegalInstruction(f"{where}: {code.name}: {text}", queue=state.queue, address=address)
        self._errors.setdefault(state.queue, QueueError(code, address, tag, text))

    def _runs(self, state: _QueueState) -> bool:
        return not state.halted and state.queue not in self._errors

    def _bytes(self, address: int) -> bytes:
        return self._memory[address : address + INSTRUCTION_BYTES].tobytes()

    def _fetch(self, state: _QueueState) -> Instruction | None:
        """The checked head instruction; None when the queue is not running or has just stopped."""
        if not self._runs(state):
            return None
        if state.head is None:
            address, data = state.address, self._bytes(state.address)
            code, text = self._verdict(state, address, data)
            if code is not ErrorCode.NONE:
                if not state.outstanding:  # what is before it in the program may still fail
                    fetched = code is not ErrorCode.FETCH and address % INSTRUCTION_BYTES == 0
                    tag = int.from_bytes(data, "little") >> FIELDS["tag"].lsb & FIELDS["tag"].high if fetched else 0
                    self._stop(state, code, address, tag, text)
                return None
            state.head = decode(data)
        return state.head

    def _verdict(self, state: _QueueState, address: int, data: bytes) -> tuple[ErrorCode, str]:
        """Why the instruction at an address cannot be executed."""
        if address % INSTRUCTION_BYTES or len(data) != INSTRUCTION_BYTES:
            code = ErrorCode.ALIGNMENT if address % INSTRUCTION_BYTES else ErrorCode.FETCH
            return code, f"program address must be a multiple of {INSTRUCTION_BYTES} inside the memory"
        return state.check(data)

    def _obstacles(self, state: _QueueState, instruction: Instruction) -> list[str]:
        """Why the head does not issue."""
        out = []
        for i in range(WAITS):
            if instruction[f"wait{i}_kind"] == WaitKind.REACHED:
                index, value = instruction[f"wait{i}_semaphore"], instruction[f"wait{i}_value"]
                if not reached(self._semaphores[index], value):
                    out.append(f"semaphore {index} is {self._semaphores[index]}, needs {value}")
        if state.outstanding and (instruction["after"] or instruction.opcode == Opcode.HALT):
            out.append(f"{state.outstanding} earlier instructions have not finished")
        return out

    def _may_issue(self, state: _QueueState) -> bool:
        instruction = self._fetch(state)
        return instruction is not None and not self._obstacles(state, instruction)

    def _issue(self, state: _QueueState) -> bool:
        if not self._may_issue(state) or state.head is None:
            return False
        instruction, address = state.head, state.address
        self._executed.append((state.queue, instruction.opcode, instruction["tag"]))
        if self._tell is not None and len(self._executed) % REPORT_EVERY == 0:
            self._tell(len(self._executed))
        state.head, state.address = None, address + INSTRUCTION_BYTES
        if instruction.opcode in (Opcode.HALT, Opcode.NOP):
            self._signal(instruction)
            state.halted = instruction.opcode == Opcode.HALT
            return True
        # every queue's instructions take effect in order, independently of the other queues'
        name = state.queue.name
        # in turn, each takes effect before the next one issues: nothing is in flight
        accesses = [] if self._random is None else sbuf_accesses(instruction, self._config)
        issued = _Issued(state, address, instruction, accesses)
        self._report_shared_words(name, issued)
        self._channels.setdefault(name, deque()).append(issued)
        state.outstanding += 1
        return True

    def _report_shared_words(self, channel: str, issued: _Issued) -> None:
        self._current = issued.state.queue, issued.address
        for other in [i for name, waiting in self._channels.items() if name != channel for i in waiting]:
            found = shared_word(issued.accesses, other.accesses)
            if found is not None:
                mine, theirs, word = found
                size = self._config.sbuf.word_bytes
                where = f"SBUF word {word * size} to {(word + 1) * size - 1}"
                whose = f"{theirs.slot} of {other.state.queue.name.lower()} at {other.address:#x}"
                self._report(
                    f"{mine.slot} {'writes' if mine.writes else 'reads'} {where}, which {whose} "
                    f"{'writes' if theirs.writes else 'reads'}; no semaphore orders the two"
                )

    def _settle(self) -> bool:
        for name, waiting in self._channels.items():
            while waiting:
                self._finish(name)
        return True

    def _finish(self, channel: str) -> None:
        issued = self._channels[channel].popleft()
        self._current = issued.state.queue, issued.address
        issued.state.outstanding -= 1
        try:
            self._execute(issued.instruction)
        except (BusError, TagError) as error:
            code = CHANNELS[CHANNEL_OF[issued.instruction.opcode]].fault
            self._stop(issued.state, code, issued.address, issued.instruction["tag"], str(error))
            if isinstance(error, TagError):  # what is on its way behind the load ends without an effect or a signal
                self._channels[channel].clear()
                issued.state.outstanding = 0
            return
        self._signal(issued.instruction)

    def _execute(self, instruction: Instruction) -> None:
        opcode = instruction.opcode
        if opcode == Opcode.LOAD_STATIONARY:
            self._tensor.load_stationary(instruction)
        elif opcode == Opcode.LOAD_SPARSE:
            self._tensor.load_sparse(instruction)
        elif opcode == Opcode.MATMUL:
            self._tensor.matmul(instruction)
        elif opcode == Opcode.TRANSPOSE:
            self._tensor.transpose(instruction)
        elif opcode in (Opcode.DMA_LOAD, Opcode.DMA_STORE):
            self._dma.execute(instruction)
        else:
            self._elementwise.execute(instruction)

    def _signal(self, instruction: Instruction) -> None:
        for i in range(SIGNALS):
            if instruction[f"signal{i}_kind"] == SignalKind.INCREMENT:
                index = instruction[f"signal{i}_semaphore"]
                self._semaphores[index] = (self._semaphores[index] + 1) & _COUNTER_MASK

    def _blocked(self) -> dict[Queue, str]:
        out = {}
        for state in self._queues:
            if self._runs(state) and state.head is not None:
                what = disassemble(self._bytes(state.address))
                why = ", ".join(self._obstacles(state, state.head))
                out[state.queue] = f"at {state.address:#x} ({what}) waits: {why}"
        return out
