"""Event-driven timing of the tensor engine against the lockstep model of its head, cycle for cycle."""

import random
from dataclasses import replace

import pytest

from makalu.sim_models.lockstep.tensor_head import TensorHeadModel
from makalu.sim_models.timing.tensor import LOAD, MATMUL, TensorTiming
from makalu.spec.formats import BF16, FP32
from makalu.spec.isa import Opcode
from makalu.spec.preset import load_preset
from makalu.spec.sparsity import SPARSE
from verif.lib.variants import small_core
from verif.tensor.programs import Command, back_to_back, matmul
from verif.tensor.random_programs import hazards, ragged
from verif.tensor.sparse_programs import mixed, sparse_core, sparse_pairs

ROUNDED = ("fp32", "bf16", "uint16")
SHAPES = [
    {"partitions": 4, "word_bytes": 8, "mul_stages": 2, "add_stages": 1, "psum_stages": 1, "results": ROUNDED[:2]},
    {"partitions": 8, "word_bytes": 16, "mul_stages": 1, "add_stages": 2, "products": 2},
    {
        **{"partitions": 16, "word_bytes": 16, "mul_stages": 2, "add_stages": 3, "psum_stages": 2, "products": 2},
        "results": ROUNDED,
    },
    {"partitions": 8, "word_bytes": 16, "mul_stages": 1, "add_stages": 1, "products": 4},
    {"partitions": 32, "word_bytes": 16, "mul_stages": 3, "add_stages": 2, "products": 4, "results": ROUNDED},
]


def lockstep(config, commands, start):
    """Accept cycles, finishes, columns and owned banks of each cycle, as the head's model shows them."""
    head = TensorHeadModel(config)
    accepts, finishes, columns, owned = [], [], [], []
    waiting, gap = list(commands), start + commands[0].gap
    while waiting or head.comb({"command": None, "frame": 0})["active"]:
        t = head.cycle
        command = waiting[0].instruction if waiting and gap == 0 else None
        inputs = {"command": command, "frame": t % 8}
        out = head.comb(inputs)
        gap = max(0, gap - 1)
        if out["ready"]:
            accepts.append(t)
            waiting.pop(0)
            gap = waiting[0].gap if waiting else 0
        finishes += [(t, name) for name, port in ((MATMUL, "finish_matmul"), (LOAD, "finish_load")) if out[port]]
        if out["control"].column is not None:
            columns.append(t)
        owned.append(out["owned"])
        head.tick(inputs)
    return accepts, sorted(finishes), columns, owned


def timing(config, commands, start):
    model = TensorTiming(config)
    accepts, finishes, times = [], [], []
    t = start
    for command in commands:
        t += command.gap
        t = model.next_accept(t, command.instruction)
        finishes += model.advance(t)
        model.issue(t, command.instruction)
        accepts.append(t)
        times.append((command.instruction.opcode, model.times))
        t += 1
    while (event := model.next_event()) is not None:
        done = model.advance(event)
        assert done and all(cycle == event for cycle, _ in done)
        finishes += done
    return accepts, finishes, times


def compare(config, commands, start=0):
    accepts, finishes, columns, _ = lockstep(config, commands, start)
    got_accepts, got_finishes, times = timing(config, commands, start)
    assert got_accepts == accepts
    assert sorted(got_finishes) == finishes
    at = 0
    for opcode, one in times:
        if opcode == Opcode.MATMUL:
            span = [c for c in columns if one.first <= c <= one.last]
            assert span[0] == one.first and span[-1] == one.last
            at += len(span)
    assert at == len(columns)


@pytest.mark.parametrize("shape", SHAPES, ids=range(len(SHAPES)))
@pytest.mark.parametrize("seed", range(6))
def test_random_programs_take_the_cycles_of_the_lockstep_model(shape, seed):
    config, rng = small_core(**shape), random.Random(seed)
    compare(config, ragged(config, rng, commands=60), start=seed)
    compare(config, hazards(config, rng, commands=60), start=seed)


@pytest.mark.parametrize("candidates", [4, 8, 16])
@pytest.mark.parametrize("shape", SHAPES, ids=range(len(SHAPES)))
@pytest.mark.parametrize("seed", range(3))
def test_random_programs_with_sparse_tiles(shape, seed, candidates):
    """Of every ratio, among tiles of the modes that the core has."""
    config, rng = sparse_core(candidates, **shape), random.Random(seed)
    compare(config, mixed(config, rng, commands=60), start=seed)


@pytest.mark.parametrize("name", ["trn2-mini", "trn3-mini"])
def test_random_programs_with_sparse_tiles_of_presets(name):
    config = load_preset(name)
    for seed in range(4):
        compare(config, mixed(config, random.Random(seed), commands=60), start=seed)


@pytest.mark.parametrize("ratio", [1, 2, 3, 4])
@pytest.mark.parametrize("shape", SHAPES, ids=range(len(SHAPES)))
def test_back_to_back_sparse_tiles(shape, ratio):
    config = sparse_core(**shape)
    for form in (form for form in config.tensor.operands if form in SPARSE):
        for free in (1, 7, 8, 20, 64):
            for offset in (0, 2, 6):
                commands = sparse_pairs(config, pairs=5, free=free, ratio=ratio, offset=offset, form=form)
                compare(config, commands, start=free % 4)


@pytest.mark.parametrize("shape", SHAPES, ids=range(len(SHAPES)))
def test_back_to_back_tiles(shape):
    config = small_core(**shape)
    for free in (4, 8, 16, 20, 32, 64):
        compare(config, back_to_back(config, pairs=6, free=free, offset=2), start=free % 4)
        for form in config.tensor.quads:
            compare(config, back_to_back(config, pairs=6, free=free, form=form, scaled=True), start=free % 4)


def test_a_long_tile_waits_for_nothing():
    """512 columns a tile on 32 x 32: a column in every cycle, though the scales of each are read behind its load."""
    config = small_core(**SHAPES[-1])
    config = replace(config, psum=replace(config.psum, bank_bytes=2048))
    for form in config.tensor.quads:
        commands = back_to_back(config, pairs=8, free=512, form=form, scaled=True)
        compare(config, commands)
        columns = lockstep(config, commands, 0)[2]
        assert columns[-1] - columns[0] + 1 == len(columns) == 8 * 512


@pytest.mark.parametrize("between", range(6))
def test_an_element_comes_again_behind_short_matmuls(between):
    """A matmul adds to an element that an earlier one sent, with up to five columns of others between them.

    The first one adds to it many times, and waits each time, so that the words of the others are there when it ends.
    """
    config = small_core(**SHAPES[1])
    tile = {"start": 0, "count": 4, "columns": 4, "moving": 0, "accumulate": True}

    def add(first, count, stride=1):
        shape = {"sizes": (count, 1, 1, 1), "moving_strides": (1, 0, 0, 0), "dst_strides": (stride, 0, 0, 0)}
        return Command(matmul(dst=4 * first, **shape, **tile))

    for split in range(between + 1):
        others = [add(8, split), add(8 + split, between - split)]
        others = [each for each in others if each.instruction["src0_size0"]]
        compare(config, [add(0, 9, stride=0), *others, add(0, 1)])


@pytest.mark.parametrize("apart", [4, 5, 6])
def test_a_half_of_a_word_comes_behind_the_other(apart):
    """Of bf16 sums a word has two: one may follow the other at once, but not in the cycle of its write.

    Rows of a pattern come a frame apart or more.
    """
    config = small_core(**SHAPES[1], results=ROUNDED)
    tile = {"start": 0, "count": 4, "columns": 4, "moving": 0, "accumulate": True, "into": BF16}
    shape = {"sizes": (apart, 2, 1, 1), "moving_strides": (1, apart, 0, 0), "dst_strides": (2, 1, 0, 0)}
    commands = [Command(matmul(dst=0, **shape, **tile))]
    compare(config, commands)
    columns = lockstep(config, commands, 0)[2]
    held = apart == config.psum.add_stages + 1
    assert columns[-1] - columns[0] + 1 == len(columns) + held and len(columns) == 2 * apart


@pytest.mark.parametrize("form", [FP32, BF16])
def test_sums_of_bf16_wait_for_nothing_either(form):
    """Two elements a word, one behind the other, added to in every cycle."""
    config = small_core(**SHAPES[-1])
    tile = {"start": 0, "count": 32, "columns": 32, "moving": 0, "accumulate": True, "into": form}
    shape = {"sizes": (64, 1, 1, 1), "moving_strides": (1, 0, 0, 0), "dst_strides": (1, 0, 0, 0)}
    commands = [Command(matmul(dst=bank * config.psum.bank_bytes, **shape, **tile)) for bank in (0, 0, 1, 1)]
    compare(config, commands)
    columns = lockstep(config, commands, 0)[2]
    assert columns[-1] - columns[0] + 1 == len(columns) == 4 * 64


@pytest.mark.parametrize("seed", range(4))
def test_owned_banks(seed):
    """Every bank, every cycle: intervals at the end of the program against the head's port."""
    config, rng = small_core(**SHAPES[0]), random.Random(seed)
    commands = ragged(config, rng, commands=25)
    accepts, _, _, owned = lockstep(config, commands, 0)
    model = TensorTiming(config)
    for t, command in zip(accepts, commands, strict=True):
        model.issue(t, command.instruction)  # nothing is dropped without `advance`
    for t, banks in enumerate(owned):
        assert model.owned_banks(t, t) == banks, t
    rng = random.Random(seed)
    for _ in range(300):
        first = rng.randrange(len(owned))
        last = min(len(owned) - 1, first + rng.randrange(20))
        together = 0
        for banks in owned[first : last + 1]:
            together |= banks
        assert model.owned_banks(first, last) == together, (first, last)
