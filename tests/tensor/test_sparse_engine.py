"""The lockstep tensor engine with sparse tiles: sums are golden's, tags out of range stop what is behind them."""

import random

import numpy as np
import pytest

from makalu.sim_models.golden.check import QueueCheck
from makalu.sim_models.golden.memory import PartitionedMemory
from makalu.sim_models.golden.tensor import GoldenTensor
from makalu.sim_models.lockstep.tensor import TensorModel
from makalu.spec.encoding import encode
from makalu.spec.errors import ErrorCode
from makalu.spec.frame import PHASES
from makalu.spec.isa import Opcode, Queue, Space
from makalu.spec.preset import load_preset
from makalu.spec.sparsity import PACKED_TAGS, ROW_CANDIDATES, TAG_BITS
from verif.tensor.programs import Command
from verif.tensor.sparse_programs import memory, mixed, sparse_core, sparse_tiles, tag_place

TINY = {"partitions": 4, "word_bytes": 8, "mul_stages": 2, "add_stages": 1}
EIGHT = {"partitions": 8, "word_bytes": 16, "mul_stages": 1, "add_stages": 2, "products": 2}
CORES = {
    "tiny-4": lambda: sparse_core(4, **TINY),
    "tiny-8": lambda: sparse_core(8, **TINY, products=2),
    "tiny-16": lambda: sparse_core(**TINY, results=("fp32", "bf16", "uint16")),
    "eight": lambda: sparse_core(**EIGHT),
    "eight-8": lambda: sparse_core(8, **EIGHT | {"add_stages": 3, "products": 1}, subnormals="flush"),
    "eight-mx": lambda: sparse_core(**EIGHT | {"products": 4}),
    "trn2-mini": lambda: load_preset("trn2-mini"),
    "trn3-mini": lambda: load_preset("trn3-mini"),
}
SEED = 5
LONGEST_WAIT = 2000
ENDS = ("finish_load", "finish_matmul", "error_load", "error_matmul")


class Engine:
    """The lockstep engine with this SBUF, and everything that ended on it."""

    def __init__(self, config, sbuf):
        self.config, self.model = config, TensorModel(config)
        self.model.sbuf.memory[:] = sbuf.reshape(self.model.sbuf.memory.shape)
        self.model.sbuf.known[:], self.model.sbuf.defined[:] = True, True
        count = config.partitions
        self._dma = {name: np.zeros(count, np.int64) for name in ("enable", "write", "address", "granules")}
        self._dma["data"] = np.zeros((count, config.sbuf.word_bytes), np.uint8)
        self.cycle = 0
        self.ends = []
        if config.stochastic_sums:
            self.model.psum.generators.start(SEED)

    def step(self, command=None):
        inputs = {"command": command, "frame": self.cycle % PHASES, "dma": self._dma, "seeding": {"start": 0}}
        out = self.model.comb(inputs)
        self.model.tick(inputs, out)
        self.ends += [name for name in ENDS if out[name]]
        self.cycle += 1
        return out

    def run(self, commands):
        for command in commands:
            for _ in range(command.gap):
                self.step()
            arrival = self.cycle
            while not self.step(command.instruction)["ready"]:
                assert self.cycle < arrival + LONGEST_WAIT, command
        while self.step()["active"]:
            pass

    @property
    def psum(self):
        return self.model.psum.memory


class Golden:
    """And golden with the same."""

    def __init__(self, config, sbuf):
        partitions = config.partitions
        self.notes = []
        sizes = {Space.SBUF: config.sbuf.partition_bytes, Space.PSUM: config.psum.partition_bytes}
        sides = [
            PartitionedMemory(space=space, partitions=partitions, partition_bytes=size, report=self.notes.append)
            for space, size in sizes.items()
        ]
        sides[0].data[:], sides[0].written[:] = sbuf, True
        self._psum = sides[1]
        self._tensor = GoldenTensor(config=config, sbuf=sides[0], psum=sides[1], report=self.notes.append)
        self._tensor.generators.start(SEED)
        self._calls = {
            Opcode.LOAD_STATIONARY: self._tensor.load_stationary,
            Opcode.LOAD_SPARSE: self._tensor.load_sparse,
            Opcode.MATMUL: self._tensor.matmul,
            Opcode.TRANSPOSE: self._tensor.transpose,
        }

    def run(self, commands):
        for command in commands:
            self._calls[command.instruction.opcode](command.instruction)

    @property
    def psum(self):
        return self._psum.data.view("<u4")


def assert_legal(config, commands):
    check = QueueCheck(Queue.TENSOR, config)
    for command in commands:
        assert check(encode(command.instruction)) == (ErrorCode.NONE, ""), command


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", CORES)
def test_sums_are_those_of_golden(name, seed):
    """Sparse tiles of all ratios and types among those of other modes."""
    config, rng = CORES[name](), random.Random(seed)
    sbuf = memory(config, np.random.default_rng(seed))
    commands = mixed(config, rng, commands=30)
    assert_legal(config, commands)
    engine, golden = Engine(config, sbuf), Golden(config, sbuf)
    engine.run(commands)
    golden.run(commands)
    assert np.array_equal(engine.psum, golden.psum)
    assert len(np.unique(golden.psum)) > 20
    assert sorted(engine.ends) == sorted(
        "finish_matmul" if c.instruction.opcode == Opcode.MATMUL else "finish_load" for c in commands
    )


def spoiled(config, sbuf, load, rng, *, inside):
    """SBUF with a tag of the load out of range; or, not `inside`, all that it does not use."""
    sbuf = sbuf.copy()
    words = sbuf[:, load["src1_offset"] :]
    used = np.zeros(config.tensor.columns, bool)
    used[: load["src0_size0"]] = True
    rows = np.zeros(config.partitions, bool)
    rows[load["src0_partition"] : load["src0_partition"] + load["partitions"]] = True
    wrong = [
        tag
        for tag in range(1 << TAG_BITS)
        if tag % ROW_CANDIDATES >= load["ratio"] or tag // ROW_CANDIDATES >= config.tensor.group_rows
    ]
    if inside:
        places = [(rng.choice(np.flatnonzero(rows)), rng.choice(np.flatnonzero(used)))]
    else:
        places = np.argwhere(~(rows[:, None] & used))
    for row, column in places:
        if wrong:
            byte, shift = column * TAG_BITS // 8, column * TAG_BITS % 8
            words[row, byte] = words[row, byte] & ~(0xF << shift) & 0xFF | rng.choice(wrong) << shift
    return sbuf, bool(wrong)


def bad_program(config, rng):
    """Programs before, the load whose tags are bad, its matmuls and others behind it."""
    before = mixed(config, rng, commands=rng.choice((1, 8)))
    bad = sparse_tiles(config, rng, matmuls=rng.randint(0, 2), most=12)
    while bad[0]["ratio"] == ROW_CANDIDATES and config.tensor.group_rows == ROW_CANDIDATES:
        bad = sparse_tiles(config, rng, matmuls=rng.randint(0, 2), most=12)
    own = tag_place(config, 5, 0)  # of its own, behind all others
    bad[0] = type(bad[0])(bad[0].opcode, {**bad[0].values, "src1_offset": own})
    behind = [each.instruction for each in mixed(config, rng, commands=rng.randint(0, 6))]
    # without a gap, for when nothing is under way the fault is forgotten
    return before, [Command(each) for each in bad], [Command(each) for each in behind]


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", list(CORES)[:6])
def test_nothing_behind_a_bad_tag_is_written(name, seed, inside):
    """Of the partitions and columns of its load; elsewhere it does not matter."""
    config, rng = CORES[name](), random.Random(seed)
    before, bad, behind = bad_program(config, rng)
    sbuf = memory(config, np.random.default_rng(seed))
    own, good = tag_place(config, 5, 0), tag_place(config, bad[0].instruction["ratio"], 0)
    room = config.tensor.columns // PACKED_TAGS * 2
    sbuf[:, own : own + room] = sbuf[:, good : good + room]
    sbuf, is_wrong = spoiled(config, sbuf, bad[0].instruction, rng, inside=inside)
    assert is_wrong
    engine, golden = Engine(config, sbuf), Golden(config, sbuf)
    commands = [*before, *bad, *behind]
    engine.run(commands)
    golden.run(before if inside else commands)
    assert np.array_equal(engine.psum, golden.psum)
    loads = [c.instruction.opcode != Opcode.MATMUL for c in commands]
    failing = range(len(before), len(commands)) if inside else ()
    for is_load, part in ((True, "load"), (False, "matmul")):
        mine = [i for i, kind in enumerate(loads) if kind == is_load]
        want = [f"error_{part}" if i in failing else f"finish_{part}" for i in mine]
        assert [end for end in engine.ends if end.endswith(part)] == want


def test_after_a_fault_and_a_rest_all_is_well():
    config, rng = CORES["eight"](), random.Random(4)
    before, bad, _ = bad_program(config, rng)
    sbuf, _ = spoiled(config, memory(config, np.random.default_rng(4)), bad[0].instruction, rng, inside=True)
    engine, golden = Engine(config, sbuf), Golden(config, sbuf)
    again = mixed(config, rng, commands=12)
    engine.run([*before, *bad])
    assert "error_load" in engine.ends
    engine.ends.clear()
    engine.run(again)
    golden.run([*before, *again])
    assert np.array_equal(engine.psum, golden.psum) and not any("error" in end for end in engine.ends)
