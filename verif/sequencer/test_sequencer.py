"""The sequencer against its lockstep model, every port in every cycle, and against what a host sees."""

import itertools
import random

import cocotb

from makalu.hw.sequencer.semaphores import COUNTER_BITS
from makalu.sim_models.golden.check import QueueCheck
from makalu.spec.axi import Response
from makalu.spec.encoding import Instruction, encode
from makalu.spec.engines import QUEUE_CHANNELS
from makalu.spec.errors import ErrorCode
from makalu.spec.isa import FIELDS, INSTRUCTION_BYTES, INSTRUCTIONS, Opcode, Queue
from makalu.spec.preset import load_preset
from makalu.spec.registers import IDENTITY, START, QueueState, Status, registers_of
from makalu.spec.sequencer import CHANNEL_OF
from makalu.sw.rtl.params import bench_params
from verif.sequencer.environment import Environment
from verif.sequencer.programs import BROKEN, Programs, broken, legal, own_opcodes, random_programs, replace_field

SPACING = 0x1_0000
"""Between the programs of two queues."""
_TURNS = itertools.count()
MASKS = (0x5555_5555_5555_5555, 0xAAAA_AAAA_AAAA_AAAA)
"""Of addresses and tags, so that each bit is once 0 and once 1."""


def _base(config, seed: int) -> int:
    """Of the first program, another one in each test: any upper bits; the next page is near."""
    upper = random.Random(f"base {seed} {next(_TURNS)}").getrandbits(config.bus.address_bits - 20)
    return upper << 20 | 0xF80


async def environment(dut, **options) -> Environment:
    params = bench_params()
    config = load_preset(params["config"])
    env = Environment(dut, config, seed=params["seed"], **options)
    env.base = _base(config, params["seed"])
    await env.reset()
    return env


def _word(opcode: Opcode, **values: int) -> bytes:
    return encode(Instruction(opcode, {name: int(value) for name, value in values.items()}))


def _halt(**values: int) -> bytes:
    return _word(Opcode.HALT, **values)


def _highest(env: Environment, words: int) -> int:
    """Where programs of `words` instructions a queue begin that end with the address space."""
    return (1 << env.config.bus.address_bits) - INSTRUCTION_BYTES * words * len(Queue)


def _slow(env: Environment, queue: Queue, **values: int) -> bytes:
    """A legal instruction for an engine of the queue."""
    opcode = next(o for o, channel in CHANNEL_OF.items() if channel in QUEUE_CHANNELS[queue])
    return _word(opcode, **legal(env.rng, opcode, env.config) | {"after": 0} | values)


async def _run(env: Environment, programs: Programs, *, watchdog: int = 0, limit: int = 20_000) -> int:
    words, starts = programs.image(env.base, SPACING)
    env.memory = words
    await env.start(starts, watchdog=watchdog)
    return await env.finish(limit)


@cocotb.test()
async def random_programs_run(dut):
    """Programs with waits and signals at several speeds of bus and engines; restarts between them."""
    env = await environment(dut)
    for chance, delay, latency in ((0.6, 20, 6), (1.0, 1, 0), (0.95, 4, 20), (0.2, 60, 2), (1.0, 8, 3)):
        env.chance, env.delay, env.latency = chance, delay, latency
        programs = random_programs(env.rng, env.config, bench_params()["length"])
        assert await _run(env, programs) == Status.DONE
        for semaphore, count in programs.increments.items():
            assert env.model.semaphores[semaphore] == count
        env.chance = 0.9
        await env.expect_interrupt(Status.DONE)
        await env.counters_add_up()
        for queue in Queue:
            assert await env.value(f"{queue.name.lower()}_state") == QueueState.HALTED


@cocotb.test()
async def reset_in_traffic(dut):
    """A reset while queues fetch, wait and have instructions in engines: nothing of it is left, a start works."""
    env = await environment(dut, chance=0.9, delay=30)
    for _ in range(2):
        env.memory, starts = random_programs(env.rng, env.config, 24).image(env.base, SPACING)
        await env.start(starts)
        while len(env.issued) < 8 or env.drained():
            await env.step()
        await env.restart()
        env.issued.clear()
        for register in registers_of(env.config):
            assert (await env.value(register) == 0) or register in ("identity", "digest"), register
        programs = random_programs(env.rng, env.config, 8)
        assert await _run(env, programs) == Status.DONE
        for semaphore, count in programs.increments.items():
            assert env.model.semaphores[semaphore] == count
        await env.expect_interrupt(Status.DONE)
    assert env.seen["reset in traffic"] == 2


@cocotb.test()
async def decoded_pair_issues_in_consecutive_cycles(dut):
    """Two decoded instructions that wait for one semaphore issue in t and t + 1."""
    env = await environment(dut, chance=1.0, delay=1)
    programs = Programs()
    for opcode in (Opcode.LOAD_STATIONARY, Opcode.MATMUL):
        fields = legal(env.rng, opcode, env.config) | {"after": 0}
        if opcode is Opcode.LOAD_STATIONARY:
            fields |= {"wait0_kind": 1, "wait0_semaphore": 3, "wait0_value": 1}
        programs.words[Queue.TENSOR].append(encode(Instruction(opcode, fields)))
    programs.words[Queue.TENSOR].append(_halt())
    programs.words[Queue.SYNC] = [_word(Opcode.NOP)] * 10
    programs.words[Queue.SYNC] += [_word(Opcode.NOP, signal1_kind=1, signal1_semaphore=3), _halt()]
    env.memory, starts = programs.image(env.base, SPACING)
    await env.start({q: starts[q] for q in (Queue.TENSOR, Queue.SYNC)})
    cycles = []
    while len(cycles) < 2:
        out = await env.step()
        if out["trace_issue"] & 1:
            cycles.append(env.cycle)
    assert cycles[1] == cycles[0] + 1
    await env.finish()


@cocotb.test()
async def broken_rules_stop_the_queue(dut):
    """One instruction for each code: it does not issue, the registers name it, the other queues go on."""
    env = await environment(dut, chance=0.9, delay=6)
    rounds = bench_params()["rounds"]
    # the one code of five bits more often: every queue keeps it while it waits
    for code in [*[c for c in BROKEN for _ in range(rounds)], *[ErrorCode.VERSION] * len(Queue)]:
        programs = random_programs(env.rng, env.config, 8)
        queue, word = broken(env.rng, code, env.config)
        for list_ in programs.words.values():
            list_[-1] = _halt()  # no halt waits for one that is replaced
        # the broken instruction stands where the halt was; what follows must not run
        programs.words[queue][-1:] = [replace_field(word, "after", 0), _word(Opcode.NOP), _halt()]
        place = len(programs.words[queue]) - 3
        env.issued.clear()
        status = await _run(env, programs, watchdog=200)
        assert status == Status.ERROR
        tag = int.from_bytes(word[2:4], "little")
        _, starts = programs.image(env.base, SPACING)
        assert await env.error_of(queue) == (code, starts[queue] + INSTRUCTION_BYTES * place, tag), code.name
        for other in set(Queue) - {queue}:
            assert await env.value(f"{other.name.lower()}_state") == QueueState.HALTED
        await env.expect_interrupt(Status.ERROR)
        await env.counters_add_up()


@cocotb.test()
async def all_queues_stop(dut):
    """At once, with the highest code, and with each bit of an address both 0 and 1.

    The verdict waits in either place of a queue, behind an instruction that takes long.
    """
    env = await environment(dut)
    env.least_delay = 100
    for turn, mask in enumerate(MASKS):
        base = mask & _highest(env, 3)
        word = replace_field(_word(Opcode.NOP, tag=base >> 16 & 0xFFFF), "version", FIELDS["version"].high)
        programs = Programs({q: [_slow(env, q), *[_word(Opcode.NOP)] * turn, word] for q in Queue})
        env.memory, starts = programs.image(base, 3 * INSTRUCTION_BYTES)
        await env.start(starts)
        assert await env.finish() == Status.ERROR
        for queue in Queue:
            wanted = (ErrorCode.VERSION, starts[queue] + INSTRUCTION_BYTES * (1 + turn), base >> 16 & 0xFFFF)
            assert await env.error_of(queue) == wanted, queue.name
        await env.expect_interrupt(Status.ERROR)
    env.least_delay = 0
    # a start forgets them
    assert await _run(env, Programs({q: [_halt()] for q in Queue})) == Status.DONE
    for queue in Queue:
        assert await env.error_of(queue) == (ErrorCode.NONE, 0, 0), queue.name


@cocotb.test()
async def each_queue_alone(dut):
    """Done when the one that was started has halted."""
    env = await environment(dut)
    for queue in Queue:
        programs = Programs({queue: [_word(Opcode.NOP), _halt()]})
        env.memory = {env.base + n * INSTRUCTION_BYTES: word for n, word in enumerate(programs.words[queue])}
        await env.start({queue: env.base})
        assert await env.finish() == Status.DONE, queue.name
        await env.expect_interrupt(Status.DONE)


@cocotb.test()
async def mutated_instructions(dut):
    """A random field of a random legal instruction gets a random value; hardware and model give the same verdict."""
    env = await environment(dut, chance=1.0, delay=2, latency=0)
    seen = set()
    for _ in range(bench_params()["mutants"]):
        programs = Programs()
        for queue in Queue:
            own = [o for o in own_opcodes(queue, env.config) if INSTRUCTIONS[o].queues == (queue,)]
            for _ in range(2):
                programs.words[queue].append(_mutant(env.rng, env.rng.choice(own), env.config))
            programs.words[queue].append(_halt())
        await _run(env, programs, watchdog=60)
        for queue in Queue:
            checks = QueueCheck(queue, env.config)  # of a pair the second one may not meet the first
            codes = [checks(word)[0] for word in programs.words[queue]]
            first = next((c for c in codes if c), ErrorCode.NONE)
            found = env.model.queues[queue].error[0]
            # an instruction that was made to wait may stop by the watchdog before the refused one is reached
            assert found in (first, ErrorCode.WATCHDOG)
            seen.add(found)
    assert len(seen) > 4 or bench_params()["mutants"] < 10


def _mutant(rng: random.Random, opcode: Opcode, config) -> bytes:
    word = encode(Instruction(opcode, legal(rng, opcode, config) | {"after": 0}))
    for _ in range(rng.choice((0, 1, 1, 2))):
        name = rng.choice([n for n in FIELDS if n not in ("opcode", "tag", "after")])
        f = FIELDS[name]
        value = rng.randint(f.low, f.high)
        value = rng.choice((0, 1, 2, f.high, f.low, value, value >> f.bits // 2))
        word = replace_field(word, name, value)
    return word


@cocotb.test()
async def fetch_error(dut):
    """An instruction that the bus does not give stops its queue when all before it have issued."""
    env = await environment(dut)
    for n, queue in enumerate(Queue):
        programs = random_programs(env.rng, env.config, 8 + n)  # in any place of the buffer
        words, starts = programs.image(env.base, SPACING)
        place = len(programs.words[queue]) - 1
        env.memory = words
        env.broken_addresses = {starts[queue] + INSTRUCTION_BYTES * place}
        await env.start(starts, watchdog=300)
        assert await env.finish() & Status.ERROR
        assert await env.error_of(queue) == (ErrorCode.FETCH, starts[queue] + INSTRUCTION_BYTES * place, 0)
    # beyond a halt nothing counts
    programs = random_programs(env.rng, env.config, 8)
    env.memory, starts = programs.image(env.base, SPACING)
    env.broken_addresses = {starts[q] + INSTRUCTION_BYTES * len(programs.words[q]) for q in Queue}
    await env.start(starts)
    assert await env.finish() == Status.DONE


@cocotb.test()
async def unaligned_program(dut):
    env = await environment(dut)
    await env.start({Queue.SCALAR: env.base + 64})
    assert await env.finish() == Status.ERROR
    assert await env.error_of(Queue.SCALAR) == (ErrorCode.ALIGNMENT, env.base + 64, 0)
    await env.expect_interrupt(Status.ERROR)
    # from error to error: that is an event too
    await env.start({Queue.SCALAR: env.base + 32})
    assert await env.finish() == Status.ERROR
    await env.expect_interrupt(Status.ERROR)


@cocotb.test()
async def dma_bus_errors(dut):
    """The channel's queue stops and names the descriptor; the other channel's ends; a restart works."""
    env = await environment(dut, chance=0.9, delay=40)
    codes = {Opcode.DMA_LOAD: ErrorCode.BUS_READ, Opcode.DMA_STORE: ErrorCode.BUS_WRITE}
    for opcode, code in codes.items():
        programs = Programs({q: [_halt()] for q in Queue})
        for kind in codes:
            list_ = []
            for n in range(10):
                fields = legal(env.rng, kind, env.config) | {"after": 0, "tag": 0x10 * kind + n}
                fields |= {"signal0_kind": 1, "signal0_semaphore": n % 4}
                list_.append(encode(Instruction(kind, fields)))
            programs.words[INSTRUCTIONS[kind].queues[0]] = [*list_, _halt()]
        (queue,) = INSTRUCTIONS[opcode].queues
        others = set(Queue) - {queue}
        env.bus_error_tags = {0x10 * opcode + 3}
        assert await _run(env, programs) == Status.ERROR
        _, starts = programs.image(env.base, SPACING)
        assert await env.error_of(queue) == (code, starts[queue] + INSTRUCTION_BYTES * 3, 0x10 * opcode + 3)
        for other in others:
            assert await env.value(f"{other.name.lower()}_state") == QueueState.HALTED
        await env.expect_interrupt(Status.ERROR)
        env.bus_error_tags = set()
        assert await _run(env, programs) == Status.DONE
        await env.expect_interrupt(Status.DONE)


@cocotb.test()
async def watchdog_stops_waiting_queues(dut):
    """A wait that nobody serves: the queue stops after the programmed cycles and names its instruction."""
    env = await environment(dut, chance=0.9)
    for flip in (0, 0xFFFF):
        tags = {queue: 0xA53C + queue ^ flip for queue in Queue}
        waits = dict(wait0_kind=1, wait0_semaphore=5, wait0_value=1)
        programs = Programs(
            {q: [_word(Opcode.NOP), _word(Opcode.NOP, tag=tag, **waits), _halt()] for q, tag in tags.items()}
        )
        assert await _run(env, programs, watchdog=100) == Status.ERROR
        _, starts = programs.image(env.base, SPACING)
        for queue, tag in tags.items():
            assert await env.error_of(queue) == (ErrorCode.WATCHDOG, starts[queue] + INSTRUCTION_BYTES, tag), queue.name
    await env.counters_add_up()
    # without a limit it waits: the watchdog is armed later
    words, starts = programs.image(env.base, SPACING)
    env.memory = words
    await env.start(starts)
    for _ in range(400):
        await env.step()
    assert await env.value("status") == Status.RUNNING
    await env.write("control", START)  # ignored while running
    assert await env.value("vector_state") == QueueState.RUNNING
    await env.write("watchdog", 50)
    assert await env.finish() == Status.ERROR


async def _until(env: Environment, status: int, limit: int = 2000) -> None:
    for _ in range(limit):
        if await env.value("status") == status:
            return
    raise AssertionError(f"status is not {status:#x} within {limit} reads")


@cocotb.test()
async def watchdog_names_what_is_unfinished(dut):
    """Engines that never answer: each queue names its oldest instruction; late finishes harm nothing after a start."""
    env = await environment(dut, chance=0.9, delay=10)
    oldest = dict.fromkeys(Queue, 0) | {Queue.TENSOR: 1}
    kinds = {
        # a queue's first channel goes first, whatever is older
        Queue.TENSOR: (Opcode.MATMUL, Opcode.LOAD_STATIONARY),
        Queue.VECTOR: (Opcode.TENSOR_COPY, Opcode.TENSOR_COPY),
        Queue.SCALAR: (Opcode.ACTIVATION, Opcode.ACTIVATION),
        Queue.SYNC: (Opcode.DMA_LOAD, Opcode.DMA_LOAD),
        Queue.GPSIMD: (Opcode.DMA_STORE, Opcode.DMA_STORE),
    }
    for mask in MASKS:
        programs = Programs()
        for queue, opcodes in kinds.items():
            for n, opcode in enumerate(opcodes):
                fields = legal(env.rng, opcode, env.config) | {"after": 0, "tag": mask & 0xFF00 | 0x10 * queue + n}
                fields |= {"signal0_kind": 1, "signal0_semaphore": queue}
                programs.words[queue].append(encode(Instruction(opcode, {k: int(v) for k, v in fields.items()})))
            programs.words[queue].append(_halt())
        env.memory, starts = programs.image(mask & _highest(env, 4), 4 * INSTRUCTION_BYTES)
        env.silent = True
        await env.start(starts, watchdog=300)
        await _until(env, Status.ERROR)
        for queue, number in oldest.items():
            named = (starts[queue] + INSTRUCTION_BYTES * number, mask & 0xFF00 | 0x10 * queue + number)
            assert await env.error_of(queue) == (ErrorCode.WATCHDOG, *named), queue.name
        await env.expect_interrupt(Status.ERROR)
        # a start waits for them
        await env.start(starts)
        for _ in range(100):
            await env.step()
        assert await env.value("status") == Status.RUNNING | Status.ERROR
        env.silent = False
        assert await env.finish() == Status.DONE
        assert env.model.semaphores[: len(Queue)] == [2] * len(Queue)
        await env.expect_interrupt(Status.DONE)


@cocotb.test()
async def watchdog_lets_engines_work(dut):
    """Instructions that take far longer than the limit, in engines that move now and then, stop nobody."""
    env = await environment(dut, chance=0.9, delay=1)
    env.least_delay = 600
    programs = Programs({q: [_halt()] for q in Queue})
    load = legal(env.rng, Opcode.DMA_LOAD, env.config) | {"after": 0, "signal0_kind": 1, "signal0_semaphore": 1}
    programs.words[Queue.SYNC].insert(0, _word(Opcode.DMA_LOAD, **load))
    programs.words[Queue.VECTOR].insert(0, _word(Opcode.NOP, wait0_kind=1, wait0_semaphore=1, wait0_value=1))
    assert await _run(env, programs, watchdog=100) == Status.DONE


@cocotb.test()
async def waits_compare_modulo(dut):
    """Value v is reached from S = v to S = v + 2^15 - 1 (mod 2^16): both sides of the wrap, without 2^15 increments."""
    env = await environment(dut, chance=1.0, delay=1)
    half = 1 << (FIELDS["wait0_value"].bits - 1)
    for value, reached in ((0, True), (0xFFFF, True), (half + 1, True), (half, False), (1, False), (half - 1, False)):
        programs = Programs({q: [_halt()] for q in Queue})
        waits = dict(tag=5, wait1_kind=1, wait1_semaphore=2, wait1_value=value)
        programs.words[Queue.SCALAR] = [_word(Opcode.NOP, **waits), _halt()]
        status = await _run(env, programs, watchdog=60)
        assert status == (Status.DONE if reached else Status.ERROR), hex(value)


@cocotb.test()
async def waits_compare_across_the_carry(dut):
    """A counter goes past 2^16, and past 2^32: who waits for a value beyond is served in that step, not before.

    The counter begins 3 below; eight nops add 2 each. Vector waits for -1 (served by the first), Scalar for +5. The
    other counters have values that must stay as they are, each bit once 0 and once 1.
    """
    env = await environment(dut, chance=1.0, delay=1)
    modulus = 1 << FIELDS["wait0_value"].bits
    add = dict(signal0_kind=1, signal0_semaphore=2, signal1_kind=1, signal1_semaphore=2)
    others = {s: env.rng.getrandbits(COUNTER_BITS) for s in range(env.config.sequencer.semaphores)}
    for first in (modulus - 3, 0xABCD_0000 - 3, (1 << COUNTER_BITS) - 3):
        programs = Programs({q: [_halt()] for q in Queue})
        for queue, ahead in ((Queue.VECTOR, 2), (Queue.SCALAR, 8)):
            waits = dict(wait0_kind=1, wait0_semaphore=2, wait0_value=(first + ahead) % modulus)
            programs.words[queue] = [_word(Opcode.NOP, tag=ahead, **waits), _halt()]
        programs.words[Queue.SYNC] = [*(_word(Opcode.NOP, tag=0, **add) for _ in range(8)), _halt()]
        env.memory, starts = programs.image(env.base, SPACING)
        await env.start(starts, watchdog=300)
        while env.model.starting:
            await env.step()
        others = {s: value ^ (1 << COUNTER_BITS) - 1 for s, value in others.items()}
        env.preset_semaphores(others | {2: first})
        served = {}
        for _ in range(1000):
            counter = env.model.semaphores[2]
            out = await env.step()
            for queue in (Queue.VECTOR, Queue.SCALAR):
                event = out["trace_issue"] >> (1 + FIELDS["tag"].bits) * queue
                if event & 1 and queue not in served:
                    served[queue] = counter
        assert await env.finish() == Status.DONE, hex(first)
        steps = {queue: (value - first) % (1 << COUNTER_BITS) for queue, value in served.items()}
        assert steps == {Queue.VECTOR: 2, Queue.SCALAR: 8}, f"{first:#x}: served after {steps}"
        assert env.model.semaphores[2] == (first + 16) % (1 << COUNTER_BITS)


@cocotb.test()
async def increments_of_one_cycle_are_summed(dut):
    """Every queue signals one semaphore twice in the same cycle: ten increments at once, of the first 16 in turn.

    An engine that is slow enough for all queues to wait gives the mark each time.
    """
    env = await environment(dut, chance=1.0, delay=1)
    env.least_delay = 100  # six instructions are fetched meanwhile
    count = min(16, env.config.sequencer.semaphores)
    programs, at_once = Programs(), 2 * len(Queue)
    for turn, semaphore in enumerate((*range(1, count), 0)):
        # the marks are counted by semaphore 0, whose own turn is the last
        together = dict(wait0_kind=1, wait0_semaphore=0, wait0_value=turn + 1)
        signals = dict(signal0_kind=1, signal0_semaphore=semaphore, signal1_kind=1, signal1_semaphore=semaphore)
        mark = legal(env.rng, Opcode.DMA_LOAD, env.config) | {"after": 0, "signal0_kind": 1, "signal0_semaphore": 0}
        programs.words[Queue.SYNC].append(_word(Opcode.DMA_LOAD, **mark))
        for queue in Queue:
            programs.words[queue].append(_word(Opcode.NOP, **together, **signals))
    for queue in Queue:
        programs.words[queue].append(_halt())
    env.memory, starts = programs.image(env.base, SPACING)
    await env.start(starts)
    most = [0] * count
    for _ in range(2000):
        update = (await env.step())["semaphore_update"]
        most = [max(old, update >> (5 * s) & 31) for s, old in enumerate(most)]
    assert most == [at_once] * count
    assert list(env.model.semaphores[1:count]) == [at_once] * (count - 1)
    assert await env.finish() == Status.DONE


@cocotb.test()
async def every_channel_signals_every_semaphore(dut):
    """With both signals of an instruction."""
    env = await environment(dut, chance=1.0, delay=1)
    count = env.config.sequencer.semaphores
    programs = Programs()
    there = [opcode for opcode in CHANNEL_OF if INSTRUCTIONS[opcode].there(env.config)]
    for opcode in {CHANNEL_OF[opcode]: opcode for opcode in there}.values():
        for s in range(count):
            signals = dict(signal0_kind=1, signal0_semaphore=s, signal1_kind=1, signal1_semaphore=(s + 1) % count)
            fields = legal(env.rng, opcode, env.config) | {"after": 0} | signals
            programs.words[INSTRUCTIONS[opcode].queues[-1]].append(_word(opcode, **fields))
    for queue in Queue:
        programs.words[queue].append(_halt())
    assert await _run(env, programs) == Status.DONE
    assert list(env.model.semaphores) == [2 * len(set(CHANNEL_OF.values()))] * count


@cocotb.test()
async def registers_answer(dut):
    """Every mapped address, and what is refused."""
    env = await environment(dut)
    assert await env.value("identity") == IDENTITY
    assert await env.value("digest") == int(env.config.digest[:8], 16)
    every = registers_of(env.config).values()
    for register in every:
        if register.access == "ro":
            assert await env.write(register.name, 1) is Response.SLVERR
        elif register.name not in ("control", "interrupt"):
            assert await env.write(register.name, 0xFFFF_FFFF) is Response.OKAY
            assert await env.write(register.name, 0, strobe=7) is Response.SLVERR
            assert await env.value(register.name) == _stored_ones(register.name, env.config.bus.address_bits)
            await env.write(register.name, 0)
    mapped = {r.address for r in every}
    for address in (1, 2, 0x24, 0xFFFC, *(a + 2 for a in mapped)):
        assert await env.read("", address=address) == (0, Response.SLVERR)
        assert await env.write("", 1, address=address) is Response.SLVERR
    for address in mapped:  # and all its neighbours, for each bit is compared
        for bit in range(len(dut.control__ar__addr)):
            if address ^ 1 << bit not in mapped:
                assert await env.read("", address=address ^ 1 << bit) == (0, Response.SLVERR)
                assert await env.write("", 1, address=address ^ 1 << bit) is Response.SLVERR
    await env.write("control", START)  # with nothing enabled: clears, starts nothing
    assert await env.finish() == 0


def _stored_ones(name: str, address_bits: int) -> int:
    if name == "enable":
        return (1 << len(Queue)) - 1
    if name.endswith("_high"):
        return (1 << (address_bits - 32)) - 1
    return 0xFFFF_FFFF
