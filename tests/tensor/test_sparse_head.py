"""When the head reads and sends sparse tiles, and what a tag out of range stops: what the contract says, in numbers."""

import random

import pytest

from makalu.sim_models.lockstep.tensor_head import TensorHeadModel
from makalu.spec.formats import BF16, E5M2
from makalu.spec.frame import ACCEPT_SLOT, SLOTS
from makalu.spec.isa import Opcode
from makalu.spec.latency import FIRST_COLUMN, LOAD_LEAD, WORD_LEAD, column_delay, commit_delay, row_delay
from makalu.spec.loading import load_span
from makalu.spec.preset import load_preset
from makalu.spec.sparsity import TAGS, deskew, tag_lead, tag_words
from verif.tensor.programs import Command, load, matmul
from verif.tensor.sparse_programs import load_sparse, mixed, sparse_core, sparse_pairs, tag_place

EIGHT = {"partitions": 8, "word_bytes": 16, "mul_stages": 2, "add_stages": 2, "products": 2}
LARGE = {"partitions": 128, "word_bytes": 16, "mul_stages": 2, "add_stages": 2, "products": 2}
CORES = {"eight": EIGHT, "large": LARGE}


def shown(config, commands, *, fault=(), first=0):
    """Each cycle's outputs, from the first command to the end of the last, and acceptances."""
    head, out, accepts, waiting = TensorHeadModel(config), [], [], list(commands)
    gap = first + waiting[0].gap
    while waiting or head.comb({"command": None, "frame": 0})["active"]:
        command = waiting[0].instruction if waiting and not gap else None
        inputs = {"command": command, "frame": head.cycle % 8, "fault": head.cycle in fault}
        out.append(head.comb(inputs))
        gap = max(0, gap - 1)
        if out[-1]["ready"]:
            accepts.append(head.cycle)
            waiting.pop(0)
            gap = waiting[0].gap if waiting else 0
        head.tick(inputs)
    return out, accepts


def reads(out, kind):
    """(cycle, read) of words of tags, weights or moving elements."""
    every = [(t, each["control"].read) for t, each in enumerate(out) if each["control"].read is not None]
    return [(t, r) for t, r in every if {"tags": r.tags, "moving": r.moving, "still": not r.tags | r.moving}[kind]]


def cycles(out, what):
    return [t for t, each in enumerate(out) if getattr(each["control"], what) is not None]


@pytest.mark.parametrize("form", [BF16, E5M2], ids=lambda form: form.name)
@pytest.mark.parametrize("name", CORES)
def test_a_sparse_load(name, form):
    """Tags in slot 0 of the first frames, then a word of weights a frame, its groups two cycles later."""
    config = sparse_core(**CORES[name])
    tensor, word, ratio = config.tensor, config.sbuf.word_bytes, 3
    columns = tensor.columns - 4
    place = {"offset": 64, "tags": 512, "start": 4, "count": 4}
    out, (a,) = shown(config, [Command(load_sparse(columns=columns, ratio=ratio, form=form, **place))], first=2)
    assert a % SLOTS == ACCEPT_SLOT
    tags, units = reads(out, "tags"), columns // 4
    assert [t for t, _ in tags] == [a + 1 + SLOTS * u for u in range(tag_words(config, columns))]
    assert [r.buffer for _, r in tags] == list(range(len(tags))) and {r.ratio for _, r in tags} == {ratio}
    assert [r.address for _, r in tags] == [512 // word + u for u in range(len(tags))]
    assert [r.units for _, r in tags] == [min(word // TAGS.bytes, units - word // 2 * u) for u in range(len(tags))]
    assert {(r.start, r.partitions) for _, r in tags} == {(4, 4)}
    start = a + tag_lead(config)
    weights = reads(out, "still")
    assert [t for t, _ in weights] == [start + 1 + SLOTS * i for i in range(-(-columns * form.bytes // word))]
    assert {r.buffer for _, r in weights} == {0} and {(r.tags, r.ratio, r.units) for _, r in weights} == {(0, 0, 0)}
    groups, inside = cycles(out, "group"), 4 // form.bytes
    assert groups == [start + LOAD_LEAD + SLOTS * (g // inside) + g % inside for g in range(columns // 4)]
    assert {out[t]["control"].group.ratio for t in groups} == {ratio}
    assert [t for t, each in enumerate(out) if each["finish_load"]] == [
        start + LOAD_LEAD + load_span(form, columns // 4, sparse=True) - 1 + row_delay(config)
    ]


@pytest.mark.parametrize("ratio", [1, 2, 3, 4])
@pytest.mark.parametrize("name", CORES)
def test_a_sparse_matmul_behind_its_load(name, ratio):
    """Words in slots 1 and 2 from the acceptance on; its first column never before the load's first group is there."""
    config = sparse_core(**CORES[name])
    out, (a, b) = shown(config, sparse_pairs(config, pairs=1, free=16, ratio=ratio))
    start, moving, columns = a + tag_lead(config), reads(out, "moving"), cycles(out, "column")
    assert b == a + 1
    assert [t for t, _ in moving[:4]] == [a + 2, a + 3, a + 6, a + 7][: len(moving)]
    assert [r.buffer for _, r in moving] == [n % config.tensor.moving_buffers for n in range(len(moving))]
    assert len(moving) == 2 * ratio
    assert columns[0] == max(moving[ratio - 1][0] + WORD_LEAD, start + FIRST_COLUMN)
    shown_columns = [out[t]["control"].column for t in columns]
    assert [c.ratio for c in shown_columns] == [ratio] * 16
    assert [c.buffer for c in shown_columns] == [0] * 8 + [ratio] * 8
    assert [t for t, each in enumerate(out) if each["wave"]] == [h + column_delay(config) for h in columns]
    assert [t for t, each in enumerate(out) if each["finish_matmul"]] == [columns[-1] + commit_delay(config)]


def test_four_words_of_two_bytes_keep_the_array_busy():
    """A bubble nowhere: eight columns of four words each in two frames."""
    config = load_preset("trn2-mini")
    for ratio in (1, 2, 3, 4):
        out, _ = shown(config, sparse_pairs(config, pairs=4, free=256, ratio=ratio))
        columns = cycles(out, "column")
        assert columns[-1] - columns[0] + 1 == len(columns) == 4 * 256


def test_a_load_of_another_mode_waits_until_the_tile_is_read():
    """A sparse one does not."""
    config = sparse_core(**EIGHT)
    tile = {"start": 0, "count": 8, "columns": 8}
    pair = sparse_pairs(config, pairs=1, free=64, ratio=4)
    dense, sparse = load(offset=0, **tile), load_sparse(offset=0, tags=tag_place(config, 4, 0), ratio=4, **tile)
    out, (*_, a) = shown(config, [*pair, Command(dense)])
    last = reads(out, "moving")[-1][0]
    assert last < a <= last + SLOTS
    other, (*_, early) = shown(config, [*pair, Command(sparse)])
    assert early < reads(other, "moving")[-1][0] - SLOTS


def test_a_second_matmul_of_the_tile_before_does_not_wait_for_the_load():
    """Only the matmul that swaps waits for the load's first group."""
    config = sparse_core(**LARGE)
    first, other = sparse_pairs(config, pairs=1, free=80, ratio=1), sparse_pairs(config, pairs=2, free=8, ratio=1)
    again = Command(first[1].instruction)
    out, accepts = shown(config, [*first, again, *other[2:]])
    columns, start = cycles(out, "column"), accepts[3] + tag_lead(config)
    assert accepts[3] < columns[79] < start + LOAD_LEAD and columns[80] == columns[79] + 1
    assert columns[160] >= start + FIRST_COLUMN


@pytest.mark.parametrize("seed", range(12))
def test_faults(seed):
    """From the swap of the load on, in wave time; until nothing is under way."""
    config, rng = sparse_core((4, 8, 16)[seed % 3], **EIGHT), random.Random(seed)
    commands = mixed(config, rng, commands=25)
    good, accepts = shown(config, commands)
    sparse = [n for n, each in enumerate(commands) if each.instruction.opcode == Opcode.LOAD_SPARSE]
    bad = rng.choice(sparse)
    own = [t for t, r in reads(good, "tags") if accepts[bad] < t <= accepts[bad] + tag_lead(config)]
    faults = {rng.choice(own) + 1 + config.partitions * config.tensor.add_stages}
    out, _ = shown(config, commands, fault=faults)
    swaps = [t for t in cycles(good, "column") if good[t]["control"].column.swap and t > accepts[bad]]
    rest = next((t for t in range(max(faults), len(good)) if not good[t]["active"]), len(good))
    masked_from = swaps[0] + column_delay(config) if swaps else len(good)
    for t, (with_fault, without) in enumerate(zip(out, good, strict=True)):
        masked = masked_from <= t < rest
        assert with_fault["wave"] == (None if masked else without["wave"])
        failed = max(faults) <= t < rest
        assert (with_fault["error_load"], with_fault["finish_load"]) == (
            (without["finish_load"], False) if failed else (False, without["finish_load"])
        )
        last_wave = t - commit_delay(config) + column_delay(config)
        masked = without["finish_matmul"] and masked_from <= last_wave < rest
        assert with_fault["error_matmul"] == masked
        assert with_fault["finish_matmul"] == (without["finish_matmul"] and not masked)
        for name in ("ready", "control", "owned", "active", "stalled"):
            assert with_fault[name] == without[name]


def test_a_fault_is_there_in_time():
    """The last word of tags of a load, read as late as it can be, in a core with many of them."""
    config = sparse_core(**LARGE)
    commands = sparse_pairs(config, pairs=2, free=4, ratio=1)
    good, accepts = shown(config, commands)
    for n in (0, 2):
        late = max(t for t, _ in reads(good, "tags") if t < accepts[n] + 1 + tag_lead(config))
        out, _ = shown(config, commands, fault={late + 1 + config.partitions * config.tensor.add_stages})
        assert sum(each["wave"] is not None for each in out) == 4 * (n // 2)
        assert sum(each["error_load"] for each in out) == sum(each["error_matmul"] for each in out) == 2 - n // 2


def test_without_tags_errors_never_come():
    config = load_preset("tiny")
    tile = {"start": 0, "count": 4, "columns": 4}
    flat = {"sizes": (4, 1, 1, 1), "moving_strides": (1, 0, 0, 0), "dst_strides": (1, 0, 0, 0)}
    commands = [Command(load(offset=0, **tile)), Command(matmul(moving=0, dst=0, **flat, **tile))]
    out, _ = shown(config, commands)
    assert all(each["error_load"] is False and each["error_matmul"] is False for each in out)
    assert sum(each["finish_load"] + each["finish_matmul"] for each in out) == 2
    assert deskew(config.tensor) == 0
