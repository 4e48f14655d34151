"""docs/tour.md, walked: one matmul on `tiny`, and what arrives at each of the ten stations that the page names."""

import functools
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
import pytest

from makalu.sim_models.golden.arithmetic import matmul_column_chain
from makalu.sim_models.lockstep.operand import operand_words
from makalu.sim_models.lockstep.run import run_core
from makalu.spec.encoding import decode, encode
from makalu.spec.engines import Channel
from makalu.spec.formats import BF16, FP32
from makalu.spec.frame import MOVING_SLOT, SLOTS
from makalu.spec.isa import INSTRUCTION_BYTES, Opcode, Queue
from makalu.spec.latency import FIRST_COLUMN, LOAD_LEAD, WORD_LEAD, column_delay, commit_delay
from makalu.spec.memory import MemoryTiming
from makalu.spec.preset import load_preset
from makalu.spec.sequencer import DECODE_CYCLES
from makalu.sw.compile.compiler import compile_trace
from makalu.sw.elements import to_bits
from makalu.sw.kernel.file import loaded_kernel
from makalu.sw.nki.tracing import TensorSpec, trace
from makalu.sw.paths import ROOT
from makalu.sw.run import run_golden_machine

PAGE = (ROOT / "docs/tour.md").read_text()
NAMES = re.findall(r"(?m)^## \d+\. (.+)$", PAGE)
TINY = load_preset("tiny")
K, M, N = 4, 3, 6
"""Fewer columns than the array has, and no whole number of words."""
STATIONS = {}


def station(name):
    """The check of the station that the page calls so."""

    def keep(check):
        STATIONS[name] = check
        return check

    return keep


@functools.cache
def walk():
    """The kernel of the page, compiled and run: all that the stations look at."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    scheduled = {}

    def seen(queues):
        scheduled.update(queues)
        return queues

    specs = {"lhsT": TensorSpec((K, M), BF16), "rhs": TensorSpec((K, N), BF16)}
    with TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.py"
        file.write_text(code)
        with loaded_kernel(f"{file}::one_matmul", None, TINY) as kernel:
            traced = trace(kernel, TINY, **specs)
    program = compile_trace(traced, kernel="one_matmul", transform=seen)
    random = np.random.default_rng(7)
    inputs = {name: random.normal(size=spec.shape) for name, spec in specs.items()}
    bits = {name: to_bits(values, BF16) for name, values in inputs.items()}
    image = program.image(inputs)
    timing = MemoryTiming.of(TINY.memory, latency=4)
    cycles = [look(seen) for seen in run_core(TINY, image, program.addresses, timing=timing, most=5000)]
    stream = [
        decode(program.streams[Queue.TENSOR][at : at + INSTRUCTION_BYTES])
        for at in range(0, len(program.streams[Queue.TENSOR]), INSTRUCTION_BYTES)
    ]
    return SimpleNamespace(
        line=1 + code.splitlines().index(next(line for line in code.splitlines() if "nisa.nc_matmul" in line)),
        operations=list(traced.recording.operations()),
        program=program,
        scheduled=scheduled[Queue.TENSOR],
        stream=stream,
        inputs=inputs,
        bits=bits,
        chain=matmul_column_chain(bits["lhsT"], bits["rhs"], subnormals=TINY.tensor.subnormals),
        image=image,
        cycles=cycles,
    )


def look(seen):
    """What the stations want of a cycle; the model's arrays are new in each."""
    queue = seen.core.sequencer.queues[Queue.TENSOR]
    return SimpleNamespace(
        number=seen.number,
        ports=dict(seen.ports),
        word=queue.word,
        issued=seen.issued(Queue.TENSOR),
        finished=seen.finished(Channel.MATMUL),
        semaphore=seen.core.sequencer.semaphores[Channel.MATMUL],
        command=seen.blocks["commands"]["tensor"],
        accepted=seen.blocks["head"]["ready"],
        control=seen.blocks["head"]["control"],
        wave=seen.blocks["head"]["wave"],
        x=seen.blocks["edges"]["x"],
        w=seen.blocks["edges"]["w"],
        read=seen.blocks["edges"]["sbuf"],
        sums=seen.blocks["p"],
        commit=seen.blocks["psum"]["commit"],
    )


def instruction(tour, opcode):
    """The one of this opcode in the tensor queue, and its number there."""
    (found,) = [(n, i) for n, i in enumerate(tour.stream) if i.opcode == opcode]
    return found


def when(tour, condition):
    """Cycles, by number."""
    return [cycle.number for cycle in tour.cycles if condition(cycle)]


def issue_of(tour, opcode):
    (cycle,) = when(tour, lambda c: c.command is not None and c.command.opcode == opcode and c.accepted)
    return cycle


def columns(tour):
    """Cycles in which a moving column is at row 0's edge."""
    return when(tour, lambda c: c.control.column is not None)


@pytest.mark.parametrize("name", NAMES)
def test_what_arrives_at(name):
    STATIONS[name](walk())


def spoilt(name):
    """The walk with one thing changed on the way to a station."""
    tour = SimpleNamespace(**vars(walk()))
    tour.cycles = [SimpleNamespace(**vars(cycle)) for cycle in tour.cycles]
    issue, h = issue_of(tour, Opcode.MATMUL), columns(tour)
    match name:
        case "Recorded" | "Placed and lowered":
            tour.line += 1
        case "Scheduled":
            tour.scheduled = [tour.scheduled[0], tour.scheduled[1].__class__(Opcode.MATMUL, {}), tour.scheduled[2]]
        case "Encoded":
            tour.image = tour.image.copy()
            tour.image[tour.program.addresses[Queue.TENSOR] + INSTRUCTION_BYTES] ^= 1
        case "Fetched and decoded":
            for cycle in tour.cycles:
                cycle.ports = {**cycle.ports, "instructions__r__data": cycle.ports["instructions__r__data"] ^ 1}
        case "Issued":
            tour.cycles[issue].issued += 1
        case "Cut into columns":
            tour.cycles[h[2]].control = tour.cycles[h[3]].control
        case "At the edge":
            tour.cycles[h[2] + TINY.tensor.add_stages].x = tour.cycles[h[2]].x
        case "Summed":
            tour.cycles[h[0] + 1 + column_delay(TINY)].sums = np.zeros(M, np.uint32)
        case "Written":
            tour.cycles[h[-1] + commit_delay(TINY)].finished = None
    return tour


@pytest.mark.parametrize("name", NAMES)
def test_a_fault_is_seen_at(name):
    with pytest.raises(AssertionError):
        STATIONS[name](spoilt(name))


def test_the_page_has_the_ten_stations_of_this_file_in_order():
    assert list(STATIONS) == NAMES and len(NAMES) == 10
    linked = re.findall(r"\[([\w ]+)\]\(docs/tour.md#\d", (ROOT / "README.md").read_text())
    assert [name.lower() for name in NAMES] == linked


@station("Recorded")
def recorded(tour):
    load, matmul = [o for o in tour.operations if o.call == "nisa.nc_matmul"]
    assert (load.opcode, matmul.opcode) == (Opcode.LOAD_STATIONARY, Opcode.MATMUL)
    assert {role: t.shape for role, t in load.tensors.items()} == {"stationary": (K, M)}
    assert {role: t.shape for role, t in matmul.tensors.items()} == {"dst": (M, N), "moving": (K, N)}
    assert (load.numbers, matmul.numbers) == ({"part": 0, "column": 0}, {"part": 0, "accumulate": 0})
    assert [(Path(site.file).name, site.line) for site in matmul.sites] == [("kernel.py", tour.line)]


@station("Placed and lowered")
def placed(tour):
    _, load = instruction(tour, Opcode.LOAD_STATIONARY)
    _, matmul = instruction(tour, Opcode.MATMUL)
    memory = {(tile.memory, tile.address): tile for tile in tour.program.tiles}
    assert memory["sbuf", load["src0_offset"]].bytes >= M * BF16.bytes
    assert memory["sbuf", matmul["src0_offset"]].bytes >= N * BF16.bytes
    sums = memory["psum", matmul["dst_offset"]]
    assert sums.site.endswith(f"kernel.py:{tour.line}")
    assert (sums.first, sums.last) == (matmul["tag"], matmul["tag"] + 1)
    assert load["src0_offset"] != matmul["src0_offset"]
    assert (load["partitions"], matmul["partitions"], matmul["columns"]) == (K, K, M)
    assert (load["src0_size0"], matmul["src0_size0"], matmul["dst_size0"]) == (M, N, N)


@station("Scheduled")
def scheduled(tour):
    order = [i.opcode for i in tour.scheduled]
    assert order == [Opcode.LOAD_STATIONARY, Opcode.MATMUL, Opcode.HALT]
    load, matmul, _ = tour.scheduled
    # lhsT is loaded behind rhs, and only its load signals
    assert (load["wait0_kind"], load["wait0_semaphore"], load["wait0_value"]) == (1, Channel.DMA_LOAD, 1)
    assert not matmul["wait0_kind"]
    assert (matmul["signal0_kind"], matmul["signal0_semaphore"]) == (1, Channel.MATMUL)


@station("Encoded")
def encoded(tour):
    number, matmul = instruction(tour, Opcode.MATMUL)
    data = encode(tour.scheduled[number])
    at = tour.program.addresses[Queue.TENSOR] + number * INSTRUCTION_BYTES
    assert len(data) == INSTRUCTION_BYTES and decode(data) == matmul
    assert tour.image[at : at + INSTRUCTION_BYTES].tobytes() == data


@station("Fetched and decoded")
def fetched(tour):
    number, matmul = instruction(tour, Opcode.MATMUL)
    at = tour.program.addresses[Queue.TENSOR] + number * INSTRUCTION_BYTES
    bursts, beats = [], []
    for cycle in tour.cycles:
        ports = {name: cycle.ports[f"instructions__{name}"] for name in ("ar__valid", "ar__ready", "r__valid")}
        if ports["ar__valid"] and ports["ar__ready"]:
            bursts.append(cycle.ports["instructions__ar__addr"])
        if ports["r__valid"]:
            beats.append((cycle.number, cycle.ports["instructions__r__data"]))
    count = INSTRUCTION_BYTES // TINY.bus.instruction_bytes
    mine = beats[bursts.index(at) * count :][:count]
    data = b"".join(beat.to_bytes(TINY.bus.instruction_bytes, "little") for _, beat in mine)
    assert data == encode(matmul)
    decoded = when(tour, lambda c: c.word == int.from_bytes(data, "little"))
    assert decoded[0] >= mine[-1][0] + DECODE_CYCLES


@station("Issued")
def issued(tour):
    _, matmul = instruction(tour, Opcode.MATMUL)
    cycle = issue_of(tour, Opcode.MATMUL)
    assert cycle == issue_of(tour, Opcode.LOAD_STATIONARY) + 1
    assert tour.cycles[cycle].command == matmul and tour.cycles[cycle].issued == matmul["tag"]
    assert when(tour, lambda c: c.issued == matmul["tag"]) == [cycle]
    origin = tour.program.lines[tour.program.origins[Queue.TENSOR][1]]
    assert origin.call == "nisa.nc_matmul" and origin.site.endswith(f"kernel.py:{tour.line}")


@station("Cut into columns")
def cut(tour):
    _, matmul = instruction(tour, Opcode.MATMUL)
    a, h = issue_of(tour, Opcode.LOAD_STATIONARY), columns(tour)
    in_word, larger = TINY.sbuf.word_bytes // BF16.bytes, BF16.size_log2 - TINY.tensor.smallest
    assert h[0] == a + FIRST_COLUMN
    assert h == list(range(h[0], h[0] + N))
    sent = [tour.cycles[t].control.column for t in h]
    assert [(c.swap, c.place) for c in sent] == [(int(n == 0), n % in_word << larger) for n in range(N)]
    reads = when(tour, lambda c: c.control.read is not None and c.control.read.moving)
    words = [matmul["src0_offset"] // TINY.sbuf.word_bytes + i for i in range(-(-N // in_word))]
    assert [tour.cycles[t].control.read.address for t in reads] == words
    assert all(t % SLOTS == MOVING_SLOT for t in reads) and h[0] >= reads[0] + WORD_LEAD


@station("At the edge")
def at_the_edge(tour):
    a, h = issue_of(tour, Opcode.LOAD_STATIONARY), columns(tour)
    delay, each = TINY.tensor.add_stages, TINY.tensor.load_columns
    for p in range(K):
        moving = [tour.cycles[t + p * delay].x for t in h]
        assert all(x["active"][p] for x in moving)
        elements = operand_words(tour.bits["rhs"][p], form=BF16, stationary=False)
        assert [int(x["operand"][p]) for x in moving] == elements.tolist()
        groups = [tour.cycles[a + LOAD_LEAD + g + p * delay].w for g in range(-(-M // each))]
        assert all(w["valid"][p] for w in groups)
        weights = np.concatenate([w["operands"][p] for w in groups])[:M]
        assert weights.tolist() == operand_words(tour.bits["lhsT"][p], form=BF16, stationary=True).tolist()


@station("Summed")
def summed(tour):
    for m in range(M):
        sums = [tour.cycles[t + 1 + column_delay(TINY) + m].sums[m] for t in columns(tour)]
        assert np.array(sums, np.uint32).tolist() == tour.chain[m].tolist()


@station("Written")
def written(tour):
    _, matmul = instruction(tour, Opcode.MATMUL)
    first = matmul["dst_offset"] // FP32.bytes
    for m in range(M):
        late = 1 + column_delay(TINY) + m + TINY.psum.add_stages
        for n, t in enumerate(columns(tour)):
            commit = tour.cycles[t + late].commit
            assert commit["valid"][m] and commit["address"][m] == first + n
            assert commit["data"][m] == tour.chain[m, n]
        assert len(when(tour, lambda c, m=m: c.commit["valid"][m])) == N
    last = columns(tour)[-1] + commit_delay(TINY)
    assert when(tour, lambda c: c.finished == matmul["tag"]) == [last]
    assert [tour.cycles[t].semaphore for t in (last, last + 1)] == [0, 1]
    golden = run_golden_machine(tour.program, tour.inputs, config=TINY)
    assert np.array_equal(golden.psum[:M, first : first + N], tour.chain)
    assert np.array_equal(golden.memory, tour.image)
    (out,) = tour.program.read(tour.image).values()
    assert np.array_equal(np.asarray(out, np.float32).view(np.uint32), tour.chain)
