"""Every rule of an instruction is refused with its code and a text that carries the offending value."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makalu.sim_models.golden.check import check, check_bytes
from makalu.spec.encoding import Instruction, InstructionError, decode, encode
from makalu.spec.errors import ErrorCode
from makalu.spec.isa import ENCODING_VERSION, FIELDS, INSTRUCTION_BYTES, INSTRUCTIONS, Opcode, Queue, used_fields
from makalu.spec.preset import load_preset

from .programs import TINY, legal

BROKEN = [
    (Opcode.TENSOR_COPY, {"src0_space": 3}, ErrorCode.OPERAND, "src0_space .* not 3"),
    (Opcode.TENSOR_COPY, {"dst_space": 2}, ErrorCode.OPERAND, "dst_space .* not 2"),
    (Opcode.MATMUL, {"src0_space": 2}, ErrorCode.OPERAND, "src0_space .* not 2"),
    (Opcode.TENSOR_COPY, {"dst_dtype": 31}, ErrorCode.OPERAND, "dst_dtype .* not 31"),
    (Opcode.MATMUL, {"dst_dtype": 2}, ErrorCode.OPERAND, r"dst_dtype must be one of \['fp32', 'uint16'\], not 2"),
    (
        Opcode.MATMUL,
        {"dst_dtype": 12, "accumulate": 1},
        ErrorCode.OPERAND,
        "dst_dtype must be fp32 with accumulate, not 12",
    ),
    (Opcode.LOAD_STATIONARY, {"src0_dtype": 0}, ErrorCode.OPERAND, "src0_dtype .* not 0"),
    (Opcode.LOAD_STATIONARY, {"part": 5}, ErrorCode.OPERAND, "part must be below 5, not 5"),
    (Opcode.TENSOR_TENSOR, {"op0": 6}, ErrorCode.OPERAND, "op0 .* not 6"),
    (Opcode.TENSOR_SCALAR, {"op1": 255}, ErrorCode.OPERAND, "op1 .* not 255"),
    (Opcode.ACTIVATION, {"function": 0}, ErrorCode.OPERAND, "function .* not 0"),
    (Opcode.ACTIVATION, {"function": 3}, ErrorCode.OPERAND, "function .* not 3"),
    (Opcode.TENSOR_SCALAR, {"src1_offset": 4}, ErrorCode.RESERVED, "src1_offset must be 0 .* not 4"),
    (Opcode.TENSOR_COPY, {"partitions": 0}, ErrorCode.SIZE, "partitions must be from 1 to 4, not 0"),
    (Opcode.TENSOR_COPY, {"partitions": 5}, ErrorCode.SIZE, "partitions must be from 1 to 4, not 5"),
    (Opcode.MATMUL, {"columns": 5}, ErrorCode.SIZE, "columns must be from 1 to 4, not 5"),
    (Opcode.TENSOR_COPY, {"dst_size2": 0, "src0_size2": 0}, ErrorCode.SIZE, "dst has a size of 0"),
    (Opcode.TENSOR_COPY, {"dst_size0": 3}, ErrorCode.SIZE, r"src0 has sizes \(4, 1, 1, 1\) and dst has \(3, 1, 1, 1\)"),
    (Opcode.TENSOR_COPY, {"dst_size0": 1, "dst_size1": 4}, ErrorCode.SIZE, "must be equal"),
    (Opcode.LOAD_STATIONARY, {"src0_size0": 5}, ErrorCode.SIZE, "1 to 4 columns"),
    (Opcode.LOAD_STATIONARY, {"src0_size1": 2}, ErrorCode.SIZE, "1 to 4 columns"),
    (Opcode.TENSOR_COPY, {"dst_partition": 1, "src0_partition": 1}, ErrorCode.PARTITION, "ends at partition 5"),
    (Opcode.TENSOR_COPY, {"partitions": 2, "dst_partition": 1}, ErrorCode.PARTITION, "same partition"),
    (
        Opcode.MATMUL,
        {"dst_partition": 1, "columns": 1},
        ErrorCode.PARTITION,
        "dst_partition, the first PE column, must be a multiple of 2, not 1",
    ),
    (Opcode.MATMUL, {"dst_partition": 2, "columns": 3}, ErrorCode.PARTITION, "dst ends at partition 5, the core has 4"),
    (Opcode.LOAD_STATIONARY, {"column": 1, "src0_size0": 1}, ErrorCode.SIZE, "column must be a multiple of 2, not 1"),
    (Opcode.LOAD_STATIONARY, {"column": 2}, ErrorCode.SIZE, "src0 ends at column 6, the array has 4"),
    (Opcode.LOAD_STATIONARY, {"column": 4, "src0_size0": 1}, ErrorCode.SIZE, "src0 ends at column 5, the array has 4"),
    (Opcode.DMA_LOAD, {"dst_partition": 2}, ErrorCode.PARTITION, "ends at partition 6"),
    (Opcode.TENSOR_COPY, {"dst_offset": 66}, ErrorCode.ALIGNMENT, "dst_offset must be a multiple of 4, not 66"),
    (Opcode.MATMUL, {"src0_offset": 9}, ErrorCode.ALIGNMENT, "src0_offset must be a multiple of 2, not 9"),
    (Opcode.LOAD_STATIONARY, {"src0_offset": 2}, ErrorCode.ALIGNMENT, "multiple of 8, not 2"),
    (Opcode.LOAD_STATIONARY, {"src0_stride0": 2}, ErrorCode.ALIGNMENT, "src0_stride0 .* not 2"),
    (Opcode.TENSOR_COPY, {"dst_offset": 16384 - 12}, ErrorCode.SBUF_ADDRESS, "bytes 16372 to 16387"),
    (Opcode.TENSOR_COPY, {"src0_stride0": -1}, ErrorCode.SBUF_ADDRESS, "bytes -12 to 3"),
    (
        Opcode.DMA_STORE,
        {"src0_size3": 2, "src0_stride3": 32767},
        ErrorCode.SBUF_ADDRESS,
        "a partition of SBUF has 16384",
    ),
    (
        Opcode.TENSOR_COPY,
        {"src0_space": 2, "src0_offset": 2036},
        ErrorCode.PSUM_ADDRESS,
        "a partition of PSUM has 2048",
    ),
    (Opcode.MATMUL, {"dst_offset": 244}, ErrorCode.PSUM_ADDRESS, "bytes 244 to 259, more than one bank of 256"),
    (Opcode.NOP, {"wait1_kind": 2}, ErrorCode.SEMAPHORE, "wait1_kind .* not 2"),
    (
        Opcode.NOP,
        {"wait0_kind": 1, "wait0_semaphore": 16},
        ErrorCode.SEMAPHORE,
        "wait0_semaphore must be below 16, not 16",
    ),
    (Opcode.HALT, {"signal0_kind": 3}, ErrorCode.SEMAPHORE, "signal0_kind .* not 3"),
    (Opcode.MATMUL, {"signal1_kind": 1, "signal1_semaphore": 255}, ErrorCode.SEMAPHORE, "signal1_semaphore .* not 255"),
    # several rules at once: the lowest code
    (Opcode.TENSOR_COPY, {"partitions": 5, "dst_offset": 66, "wait0_kind": 2}, ErrorCode.SIZE, "partitions"),
]


THERE = [opcode for opcode in Opcode if INSTRUCTIONS[opcode].there(TINY)]


@pytest.mark.parametrize("opcode", THERE)
def test_legal_instruction_passes(opcode):
    for queue in INSTRUCTIONS[opcode].queues:
        assert check_bytes(encode(Instruction(opcode, legal(opcode))), queue, TINY) == (ErrorCode.NONE, "")


@pytest.mark.parametrize(("preset", "step"), [("tiny", 2), ("trn1-mini", 8), ("trn2", 32)])
def test_a_column_tile_begins_at_a_multiple_of_a_quarter(preset, step):
    """But for `tiny`, whose loads bring half of its columns at once."""
    config = load_preset(preset)
    for first in range(config.tensor.columns):
        load = Instruction(Opcode.LOAD_STATIONARY, {**legal(Opcode.LOAD_STATIONARY), "src0_size0": 1, "column": first})
        matmul = Instruction(Opcode.MATMUL, {**legal(Opcode.MATMUL), "columns": 1, "dst_partition": first})
        good = first % step == 0
        assert check(load, Queue.TENSOR, config)[0] == (ErrorCode.NONE if good else ErrorCode.SIZE)
        assert check(matmul, Queue.TENSOR, config)[0] == (ErrorCode.NONE if good else ErrorCode.PARTITION)


@pytest.mark.parametrize(("opcode", "change", "code", "text"), BROKEN)
def test_broken_rule_is_named(opcode, change, code, text):
    instruction = Instruction(opcode, {**legal(opcode), **change})
    found, message = check(instruction, INSTRUCTIONS[opcode].queues[0], TINY)
    assert found == code
    with pytest.raises(ValueError, match=text):
        raise ValueError(message)


def test_scalar_operand_rules():
    ones = {"src1_space": 1, "src1_dtype": 1, "operand0_tensor": 1} | {f"src1_size{d}": 1 for d in range(4)}
    values = {**legal(Opcode.ACTIVATION), **ones}
    assert check(Instruction(Opcode.ACTIVATION, values), Queue.SCALAR, TINY)[0] == ErrorCode.NONE
    for change, code in (
        ({"src1_size1": 2}, ErrorCode.SIZE),
        ({"src1_dtype": 2}, ErrorCode.OPERAND),
        ({"src1_space": 2}, ErrorCode.OPERAND),
        ({"src1_offset": 2}, ErrorCode.ALIGNMENT),
        ({"src1_partition": 1, "partitions": 2}, ErrorCode.PARTITION),
    ):
        assert check(Instruction(Opcode.ACTIVATION, {**values, **change}), Queue.SCALAR, TINY)[0] == code


def test_unknown_opcode_wrong_queue_and_reserved_bits():
    assert check_bytes(bytes([0x7F]) + bytes(127), Queue.VECTOR, TINY) == (ErrorCode.OPCODE, "opcode 0x7f is unknown")
    code, text = check_bytes(encode(Instruction(Opcode.MATMUL, legal(Opcode.MATMUL))), Queue.VECTOR, TINY)
    assert (code, text) == (ErrorCode.OPCODE, "matmul does not run on the vector queue")
    for opcode in THERE:
        used = {b for n in used_fields(opcode) for b in range(FIELDS[n].lsb, FIELDS[n].lsb + FIELDS[n].bits)}
        for bit in sorted(set(range(8 * INSTRUCTION_BYTES)) - used):
            word = int.from_bytes(encode(Instruction(opcode, legal(opcode))), "little") | 1 << bit
            data = word.to_bytes(INSTRUCTION_BYTES, "little")
            code, text = check_bytes(data, INSTRUCTIONS[opcode].queues[0], TINY)
            assert code == ErrorCode.RESERVED and f"bit {bit} " in text


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_encode_and_decode_are_inverse(data):
    opcode = data.draw(st.sampled_from(list(Opcode)))
    values = {}
    for name in used_fields(opcode):
        if name not in ("opcode", "version"):
            values[name] = data.draw(st.one_of(st.just(0), st.integers(FIELDS[name].low, FIELDS[name].high)))
    decoded = decode(encode(Instruction(opcode, values)))
    assert decoded.opcode == opcode
    assert decoded.values == {k: v for k, v in values.items() if v}


@settings(deadline=None, max_examples=200)
@given(st.binary(min_size=INSTRUCTION_BYTES, max_size=INSTRUCTION_BYTES), st.sampled_from(list(Queue)))
def test_any_bytes_get_a_verdict(data, queue):
    for each in (data, with_version(data, ENCODING_VERSION)):
        code, text = check_bytes(each, queue, TINY)
        assert (code == ErrorCode.NONE) == (text == "")
        if code not in (ErrorCode.OPCODE, ErrorCode.RESERVED, ErrorCode.VERSION):
            assert encode(decode(each)) == each


def with_version(data, version):
    word, field = int.from_bytes(data, "little"), FIELDS["version"]
    return (word & ~field.mask | version << field.lsb).to_bytes(INSTRUCTION_BYTES, "little")


@pytest.mark.parametrize("data", [encode(Instruction(Opcode.HALT, {})), bytes([0x7F] * 8) + bytes(120)])
@pytest.mark.parametrize("version", [1, FIELDS["version"].high])
def test_another_version_of_the_encoding_goes_before_every_rule(data, version):
    """An opcode, a field and a queue mean nothing in it."""
    foreign = with_version(data, version)
    code, text = check_bytes(foreign, Queue.SCALAR, TINY)
    assert (code, text) == (ErrorCode.VERSION, f"the instruction is of version {version} of the encoding, this is 0")
    with pytest.raises(InstructionError, match=text):
        decode(foreign)


def test_encoding_refuses_fields_and_values():
    with pytest.raises(InstructionError, match="nop has no field 'columns'"):
        encode(Instruction(Opcode.NOP, {"columns": 1}))
    with pytest.raises(InstructionError, match="columns must be from 0 to 255, not 256"):
        encode(Instruction(Opcode.MATMUL, {"columns": 256}))
