"""Sparse tiles on the golden machine: the rules of load and matmul, the sums, and a tag that is out of range."""

from dataclasses import replace
from time import perf_counter

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makalu.sim_models.golden.arithmetic import matmul_column_chain, matmul_column_chain_definition
from makalu.sim_models.golden.check import QueueCheck, check, check_bytes, loaded_by
from makalu.sim_models.golden.hazard import sbuf_accesses
from makalu.sim_models.golden.machine import Machine
from makalu.sim_models.golden.place import Loaded
from makalu.sim_models.golden.result import IllegalInstruction
from makalu.sim_models.golden.sparsity import picks_of, unpacked_tags, wrong_tag
from makalu.spec.encoding import Instruction, encode
from makalu.spec.errors import ErrorCode
from makalu.spec.field_rules import FIELD_RULES
from makalu.spec.formats import FORMATS
from makalu.spec.isa import INSTRUCTION_BYTES, Opcode, Queue, Space
from makalu.spec.preset import load_preset
from makalu.spec.tensor_modes import Mode

from .programs import DATA, assembled, legal, operand_values, run

MINI = load_preset("trn2-mini")
TINY = load_preset("tiny")
TENSOR = Queue.TENSOR
HALT = Instruction(Opcode.HALT)
LOADED = Loaded(FORMATS["bf16"], Mode.SPARSE, 2)


def with_candidates(number):
    return replace(MINI, name=f"mini-{number}", tensor=replace(MINI.tensor, candidates=number))


def load(**values):
    return Instruction(Opcode.LOAD_SPARSE, {**legal(Opcode.LOAD_SPARSE), **values})


def matmul(**values):
    """src0[4, 2, 4] from byte 32 on, its two elements a word apart."""
    moving = operand_values("src0", Space.SBUF, "bf16", offset=32, sizes=(4, 1, 1, 2), strides=(1, 0, 0, 8))
    return Instruction(Opcode.MATMUL, {**legal(Opcode.MATMUL), **moving, "mode": int(Mode.SPARSE), **values})


def test_load_and_matmul_are_legal():
    checks = QueueCheck(TENSOR, MINI)
    assert [checks(encode(each)) for each in (load(), matmul(), matmul(accumulate=1))] == [(ErrorCode.NONE, "")] * 3
    assert checks.loaded == LOADED
    assert loaded_by(load(), None) == LOADED._replace(waits=True)


BROKEN = [
    (load, {"src0_size0": 33}, ErrorCode.SIZE, "a sparse tile has 1 to 32 columns"),
    (load, {"src0_size0": 36, "src1_size0": 9}, ErrorCode.SIZE, r"1 to 32 columns in dimension 0, not \[36, 1, 1, 1\]"),
    (load, {"column": 4}, ErrorCode.SIZE, "column must be a multiple of 8, not 4"),
    (load, {"column": 32}, ErrorCode.SIZE, "src0 ends at column 36, the array has 32"),
    (load, {"src0_size1": 2, "src1_size1": 2}, ErrorCode.SIZE, "a sparse tile has 1 to 32 columns"),
    (load, {"src0_size3": 2, "src1_size3": 2}, ErrorCode.SIZE, "a sparse tile"),
    (load, {"src0_size0": 5}, ErrorCode.SIZE, r"src1 has sizes \(1, 1, 1, 1\) and src0 has \(5, 1, 1, 1\); size0 must"),
    (load, {"src1_size0": 2}, ErrorCode.SIZE, "a quarter"),
    (load, {"ratio": 0}, ErrorCode.SIZE, "ratio must be from 1 to 4, not 0"),
    (load, {"ratio": 5}, ErrorCode.SIZE, "ratio must be from 1 to 4, not 5"),
    (load, {"src1_partition": 4}, ErrorCode.PARTITION, "src1_partition must be that of src0, 0, not 4"),
    (load, {"partitions": 6}, ErrorCode.PARTITION, "src0 has partitions 0 to 5, in sparse they come by 4"),
    (
        load,
        {"src0_partition": 2, "src1_partition": 2},
        ErrorCode.PARTITION,
        "src0 has partitions 2 to 5, in sparse they come by 4",
    ),
    (load, {"src0_partition": 32, "src1_partition": 32}, ErrorCode.PARTITION, "src0 ends at partition 36"),
    (load, {"src0_offset": 8}, ErrorCode.ALIGNMENT, "src0_offset must be a multiple of 16, not 8"),
    (load, {"src1_offset": 24}, ErrorCode.ALIGNMENT, "src1_offset must be a multiple of 16, not 24"),
    (load, {"src0_stride0": 2}, ErrorCode.ALIGNMENT, "src0_stride0 must be 1, not 2"),
    (load, {"src1_stride0": 0}, ErrorCode.ALIGNMENT, "src1_stride0 must be 1, not 0"),
    (load, {"src0_dtype": FORMATS["fp32"].code}, ErrorCode.OPERAND, "src0_dtype must be one of"),
    (load, {"src0_dtype": FORMATS["tf32"].code}, ErrorCode.OPERAND, "src0_dtype must be one of"),
    (load, {"src1_dtype": FORMATS["bf16"].code}, ErrorCode.OPERAND, r"src1_dtype must be one of \['uint16'\], not"),
    (load, {"src1_space": 2}, ErrorCode.OPERAND, "src1_space"),
    (load, {"src1_offset": 0x3FFF0}, ErrorCode.SBUF_ADDRESS, "src1 covers bytes"),
    (matmul, {"src0_size3": 0}, ErrorCode.SIZE, "src0 has a size of 0"),
    (matmul, {"src0_size3": 5}, ErrorCode.SIZE, "equal but for the last: 1 to 4 elements of a partition, and 1 there"),
    (matmul, {"dst_size3": 2}, ErrorCode.SIZE, "equal but for the last"),
    (matmul, {"src0_size0": 3}, ErrorCode.SIZE, "equal but for the last"),
    (matmul, {"partitions": 6}, ErrorCode.PARTITION, "src0 has partitions 0 to 5, in sparse they come by 4"),
    (matmul, {"src0_stride3": 4}, ErrorCode.ALIGNMENT, "src0_stride3 must be a multiple of 16 bytes .* not 8"),
    (matmul, {"src0_stride3": -12}, ErrorCode.ALIGNMENT, "src0_stride3 must be a multiple of 16 bytes .* not -24"),
    (matmul, {"part": 1}, ErrorCode.OPERAND, "part must be 0 in sparse, not 1"),
    (matmul, {"src0_dtype": FORMATS["fp32"].code}, ErrorCode.OPERAND, r"src0_dtype must be one of .* in sparse"),
    (matmul, {"src1_offset": 16}, ErrorCode.RESERVED, "src1_offset must be 0"),
]


@pytest.mark.parametrize(("make", "change", "code", "text"), BROKEN)
def test_broken_rule_is_named(make, change, code, text):
    found, message = check(make(**change), TENSOR, MINI)
    assert found == code
    with pytest.raises(ValueError, match=text):
        raise ValueError(message)


def test_stride_of_bytes_counts_as_bytes():
    """16 elements of one byte are a word of 16 bytes, 8 are half of one."""
    for stride, code in ((16, ErrorCode.NONE), (8, ErrorCode.ALIGNMENT)):
        values = {"src0_dtype": FORMATS["e5m2"].code, "src0_stride3": stride}
        assert check(matmul(**values), TENSOR, MINI)[0] == code


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (load(ratio=3), matmul(), "src0 has 2 elements a partition, the tags of the stationary are for 3"),
        (Instruction(Opcode.LOAD_STATIONARY, legal(Opcode.LOAD_STATIONARY)), matmul(), "the mode is 3, that of .* 0"),
        (load(), Instruction(Opcode.MATMUL, legal(Opcode.MATMUL)), "the mode is 0, that of the stationary 3"),
    ],
)
def test_a_matmul_has_mode_and_ratio_of_its_load(before, after, text):
    checks = QueueCheck(TENSOR, MINI)
    assert checks(encode(before))[0] == ErrorCode.NONE
    code, message = checks(encode(after))
    assert code == ErrorCode.OPERAND
    with pytest.raises(ValueError, match=text):
        raise ValueError(message)


def test_types_meet_as_in_other_modes():
    other = matmul(src0_dtype=FORMATS["e5m2"].code, src0_stride3=16)
    assert check(other, TENSOR, MINI, loaded=LOADED)[0] == ErrorCode.NONE
    trn3 = load_preset("trn3-mini")
    fp8 = Loaded(FORMATS["e4m3"], Mode.SPARSE, 2)
    fn = matmul(src0_dtype=FORMATS["e4m3fn"].code, src0_stride3=16)
    assert check(fn, TENSOR, trn3, loaded=fp8)[0] == ErrorCode.OPERAND


def test_load_stationary_is_no_sparse_load():
    values = {**legal(Opcode.LOAD_STATIONARY), "mode": int(Mode.SPARSE)}
    code, text = check(Instruction(Opcode.LOAD_STATIONARY, values), TENSOR, MINI)
    assert code == ErrorCode.OPERAND and "load_sparse" in text


@pytest.mark.parametrize("preset", ["tiny", "trn1-mini"])
def test_a_core_without_tags_refuses_both(preset):
    config = load_preset(preset)
    assert check_bytes(encode(load()), TENSOR, config)[0] == ErrorCode.OPCODE
    assert check(matmul(src0_stride3=32), TENSOR, config)[0] == ErrorCode.OPERAND


@pytest.mark.parametrize("form", ["bf16", "e5m2", "e5m2_x4", "e2m1_x4"])
@pytest.mark.parametrize("preset", ["trn2-mini", "trn1-mini"])
def test_a_mode_between_those_of_the_core_is_refused(preset, form):
    """`mode` of trn2 goes up to sparse, and mx lies below it: there is no type for it."""
    config = load_preset(preset)
    assert Mode.MX not in config.tensor.modes
    for values in ({}, operand_values("src1", Space.SBUF, "e8m0", offset=64)):
        other = matmul(mode=int(Mode.MX), src0_size3=1, src0_dtype=FORMATS[form].code, **values)
        assert check(other, TENSOR, config)[0] == ErrorCode.OPERAND


def test_a_smaller_group_has_fewer_partitions():
    two, one = with_candidates(8), with_candidates(4)
    values = {"src0_partition": 2, "src1_partition": 2, "partitions": 6}
    assert check(load(**values), TENSOR, MINI)[0] == ErrorCode.PARTITION
    assert check(load(**values), TENSOR, two)[0] == ErrorCode.NONE
    assert check(load(**values | {"partitions": 3}), TENSOR, two)[0] == ErrorCode.PARTITION
    assert check(load(**values | {"partitions": 3}), TENSOR, one)[0] == ErrorCode.NONE


def test_tags_and_all_elements_are_read():
    reads = {access.slot: access for access in sbuf_accesses(load(), MINI)}
    assert {slot: (each.writes, each.words.tolist()) for slot, each in reads.items()} == {
        "src0": (False, [0]),
        "src1": (False, [1]),
    }
    (moving,) = sbuf_accesses(matmul(), MINI)
    assert moving.words.tolist() == [2, 3]


# sums


@given(st.lists(st.integers(0, 15), min_size=8, max_size=8))
@settings(max_examples=50, deadline=None)
def test_four_tags_of_an_element_the_lowest_column_first(tags):
    words = np.array([[sum(t << 4 * i for i, t in enumerate(tags[n : n + 4])) for n in (0, 4)]], np.uint16)
    assert unpacked_tags(words).tolist() == [tags]


@pytest.mark.parametrize("rows", [1, 2, 4])
@pytest.mark.parametrize("ratio", [1, 2, 3, 4])
def test_tags_in_range_are_those_that_name_an_element(rows, ratio):
    legal_tags = {4 * row + element for row in range(rows) for element in range(ratio)}
    for tag in range(16):
        tags = np.zeros((8, 4), np.int64)
        tags[5, 2] = tag
        wrong = wrong_tag(tags, ratio, rows)
        assert (wrong is None) == (tag in legal_tags)
        assert wrong is None or (wrong[0] == (5, 2) and f"tag {tag}, element {tag % 4} of row {tag // 4}" in wrong[1])


def reference(weights, moving, tags, rows):
    """Every weight alone, from the words of the contract: exact in doubles, one rounding to float32 a row."""
    (k, m), n = weights.shape, moving.shape[2]
    out = np.zeros((m, n), np.float32)
    for column in range(m):
        for row in range(k):
            tag = int(tags[row, column])
            x = moving[rows * (row // rows) + tag // 4, tag % 4].astype(np.float64)
            out[column] = (float(weights[row, column]) * x + out[column]).astype(np.float32)
    return out


def sides(rng, k, m, n, ratio, rows, dtype=ml_dtypes.bfloat16):
    """Numbers of a few binades, whose sums with one product each are exact in doubles."""
    weights = (rng.integers(-8, 9, (k, m)) * 2.0 ** rng.integers(-3, 4, (k, m))).astype(dtype)
    moving = (rng.integers(-8, 9, (k, ratio, n)) * 2.0 ** rng.integers(-3, 4, (k, ratio, n))).astype(dtype)
    return weights, moving, 4 * rng.integers(0, rows, (k, m)) + rng.integers(0, ratio, (k, m))


def bits(values):
    return np.asarray(values, np.float32).view(np.uint32)


@pytest.mark.parametrize("rows", [1, 2, 4])
@pytest.mark.parametrize("ratio", [1, 2, 3, 4])
def test_a_chain_is_that_of_single_elements(rows, ratio):
    rng = np.random.default_rng(rows + 4 * ratio)
    weights, moving, tags = sides(rng, 16, 12, 21, ratio, rows)
    # a chain of many binades, so that rounding takes part
    weights = (weights.astype(np.float32) * 2.0 ** rng.integers(-9, 10, weights.shape)).astype(weights.dtype)
    picks = picks_of(tags, ratio, rows)
    got = matmul_column_chain(bits(weights), bits(moving.reshape(16 * ratio, -1)), form=None, picks=picks)
    assert got.view(np.float32).tolist() == reference(weights, moving, tags, rows).tolist()


@pytest.mark.parametrize("subnormals", ["keep", "flush"])
@pytest.mark.parametrize("seed", range(8))
def test_the_fast_chain_is_the_definition(subnormals, seed):
    """Any bits: steps that are exact in float32 and those that are not."""
    rng = np.random.default_rng(seed)
    weights, moving = (rng.integers(0, 1 << 16, shape).astype(np.uint16) for shape in ((8, 9), (24, 33)))
    if seed % 2:  # few exponents, around where products become tiny
        weights, moving = (side & 0x807F | rng.integers(59, 68) << 7 for side in (weights, moving))
        weights, moving = weights.astype(np.uint16), moving.astype(np.uint16)
    picks = picks_of(4 * rng.integers(0, 4, (8, 9)) + rng.integers(0, 3, (8, 9)), 3, 4)
    got = matmul_column_chain(weights, moving, subnormals=subnormals, picks=picks)
    want = matmul_column_chain_definition(weights, moving, subnormals=subnormals, picks=picks)
    assert got.tolist() == want.tolist()


def test_picks_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"picks must be \[K, M\]"):
        matmul_column_chain(np.zeros((4, 3), np.uint16), np.zeros((8, 5), np.uint16), picks=np.zeros((4, 2), np.int64))


def test_a_tile_of_full_size_takes_a_moment():
    """It took 10 ms; the definition 300."""
    rng = np.random.default_rng(0)
    weights, moving, tags = sides(rng, 128, 128, 512, 4, 4)
    picks = picks_of(tags, 4, 4)
    start = perf_counter()
    got = matmul_column_chain(bits(weights), bits(moving.reshape(512, -1)), form=None, picks=picks)
    assert perf_counter() - start < 1
    some = reference(weights[:, :2], moving, tags[:, :2], 4)
    assert got[:2].view(np.float32).tolist() == some.tolist()


# the machine

K, M, N, AT = 8, 8, 11, 4
"""Weights in partitions AT to AT + K - 1."""


def words_of(tags):
    """[K, M / 4]"""
    return (tags.reshape(len(tags), -1, 4) << 4 * np.arange(4)).sum(axis=2).astype(np.uint16)


def assembled_tile(weights, moving, tags, *, ratio, extra=(), config=MINI, strict=True, seed=None, accumulate=0):
    """DMAs of three tiles, a sparse load and matmul, what `extra` makes of them; a copy and a store of the sums."""
    rows = {"partitions": K}
    first, behind = {"signal0_kind": 1}, {"wait0_kind": 1, "wait0_value": 3}
    pieces = ((weights, 0, (M, 1, 1, 1)), (words_of(tags), 64, (M // 4, 1, 1, 1)), (moving, 128, (ratio * 16, 1, 1, 1)))
    loads, image = [], []
    at = DATA
    for array, offset, sizes in pieces:
        data = np.ascontiguousarray(array).view(np.uint8).reshape(K, -1)
        place = operand_values("dst", Space.SBUF, "bf16", offset=offset, sizes=sizes, partition=AT)
        memory = {"address": at, "memory_stride0": 2, "memory_stride4": data.shape[1]}
        loads.append(Instruction(Opcode.DMA_LOAD, {**place, **memory, **rows, **first}))
        image.append((at, data.reshape(-1)))
        at += data.size
    one = operand_values("src0", Space.SBUF, "bf16", sizes=(M, 1, 1, 1), partition=AT)
    its = operand_values("src1", Space.SBUF, "uint16", offset=64, sizes=(M // 4, 1, 1, 1), partition=AT)
    dense = operand_values(
        "src0", Space.SBUF, "bf16", offset=128, sizes=(N, 1, 1, ratio), strides=(1, 0, 0, 16), partition=AT
    )
    sums = operand_values("dst", Space.PSUM, "fp32", sizes=(N, 1, 1, 1))
    sparse = {**one, **its, **rows, **behind, "ratio": ratio, "tag": 7}
    product = {**sums, **dense, **rows, "columns": M, "mode": int(Mode.SPARSE), "tag": 8}
    tensor = [
        Instruction(Opcode.LOAD_SPARSE, sparse),
        Instruction(Opcode.MATMUL, {**product, "signal0_kind": 1, "signal0_semaphore": 1}),
        *[Instruction(Opcode.MATMUL, {**product, **change}) for change in extra],
    ]
    memory, addresses = assembled({Queue.SYNC: [*loads, HALT], Queue.TENSOR: [*tensor, HALT]})
    for place, data in image:
        memory[place : place + data.size] = data
    result = Machine(config, strict=strict).run(memory, addresses, seed=seed)
    return result, addresses


def padded(moving):
    """[K, ratio, 16]: a word apart."""
    out = np.zeros((*moving.shape[:2], 16), moving.dtype)
    out[..., : moving.shape[2]] = moving
    return out


@pytest.mark.parametrize("rows", [1, 2, 4])
@pytest.mark.parametrize("ratio", [1, 3, 4])
def test_the_machine_reads_each_tag_where_it_lies(rows, ratio):
    weights, moving, tags = sides(np.random.default_rng(5), K, M, N, ratio, rows)
    want = reference(weights, moving, tags, rows)
    for extra, times in (((), 1), (({"accumulate": 1},), 2)):
        result, _ = assembled_tile(
            weights, padded(moving), tags, ratio=ratio, extra=extra, config=with_candidates(4 * rows)
        )
        assert result.psum[:M, :N].view(np.float32).tolist() == (times * want).tolist()
        assert not result.errors and result.psum_written.sum() == M * N


@pytest.mark.parametrize("seed", [None, *range(6)])
@pytest.mark.parametrize("tag", [3, 15, 2])
def test_a_tag_that_is_out_of_range_stops_the_queue(tag, seed):
    """With the load's address and tag; nothing behind it writes or signals. Ratio 2: elements 2 and 3 are none."""
    weights, moving, tags = sides(np.random.default_rng(6), K, M, N, 2, 4)
    tags[5, 6] = tag
    given = {"ratio": 2, "extra": ({"accumulate": 1},), "seed": seed}
    result, addresses = assembled_tile(weights, padded(moving), tags, strict=False, **given)
    error = result.errors[Queue.TENSOR]
    assert (error.code, error.address, error.tag) == (ErrorCode.TAG, addresses[Queue.TENSOR], 7)
    assert f"src1 has in partition {AT + 5}, column 6, tag {tag}, element {tag % 4} of row {tag // 4}" in error.text
    assert not result.psum_written.any() and result.semaphores[1] == 0
    assert set(result.errors) == {Queue.TENSOR} and not result.blocked
    with pytest.raises(IllegalInstruction, match=r"tensor at 0x1000: TAG: load_sparse: src1 has in partition 9"):
        assembled_tile(weights, padded(moving), tags, **given)


def test_the_first_of_several_wrong_tags_is_named():
    weights, moving, tags = sides(np.random.default_rng(6), K, M, N, 4, 2)
    tags[2, 3], tags[6, 1] = 9, 12
    result, _ = assembled_tile(weights, padded(moving), tags, ratio=4, strict=False, config=with_candidates(8))
    assert "partition 6, column 3, tag 9, element 1 of row 2 of a group; there are 4 of 2 (2 of 64 tags are out of" in (
        result.errors[Queue.TENSOR].text
    )


def test_what_is_before_a_bad_load_is_written():
    weights, moving, tags = sides(np.random.default_rng(7), K, M, N, 2, 4)
    bad = load(src0_partition=AT, src1_partition=AT, partitions=8, src0_size0=8, src1_size0=2, src1_offset=128, ratio=1)
    good, addresses = assembled_tile(weights, padded(moving), tags, ratio=2)
    memory = good.memory.copy()
    stop = addresses[Queue.TENSOR] + 2 * INSTRUCTION_BYTES
    memory[stop : stop + INSTRUCTION_BYTES] = np.frombuffer(encode(bad), np.uint8)
    for seed in (None, 1, 2, 3):
        result = Machine(MINI, strict=False).run(memory, addresses, seed=seed)
        assert (result.errors[Queue.TENSOR].code, result.errors[Queue.TENSOR].address) == (ErrorCode.TAG, stop)
        assert (result.psum == good.psum).all() and result.semaphores[1] == 1


def test_a_matmul_of_more_than_was_loaded_is_reported():
    weights, moving, tags = sides(np.random.default_rng(8), K, M, N, 2, 4)
    result, _ = assembled_tile(weights, padded(moving), tags, ratio=2, extra=({"columns": M + 4},), strict=False)
    (finding,) = result.findings
    assert "row 4 column 8, which the last load_sparse did not load (32 of 96 weights)" in finding.text


def test_a_matmul_without_a_load_is_refused():
    """Of any mode but single: the registers hold no pairs, quads or tags."""
    result = run({Queue.TENSOR: [matmul(), HALT]}, config=MINI, strict=False)
    assert result.errors[Queue.TENSOR].code is ErrorCode.OPERAND and not result.psum.any()


def test_a_mode_that_lies_between_those_of_the_core_is_refused():
    """Single and sparse are its first and last; double row would be legal but for the core's single product."""
    double = {"mode": int(Mode.DOUBLE_ROW), "src0_dtype": FORMATS["e4m3"].code, "src0_stride3": 16}
    assert check(matmul(**double), TENSOR, MINI)[0] is ErrorCode.NONE
    config = replace(MINI, name="one", tensor=replace(MINI.tensor, products=1))
    code, text = check(matmul(**double), TENSOR, config)
    assert code is ErrorCode.OPERAND and "mode 1 is not one that the core has" in text
    (rule,) = (rule for rule in FIELD_RULES if rule.field == "mode")
    assert rule.gaps(config) == (1, 2) and rule.gaps(MINI) == (2,) and rule.gaps(TINY) == ()
