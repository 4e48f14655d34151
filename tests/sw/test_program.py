"""Programs: layout of the image, inputs, files, the page of the instruction set."""

import io
import json

import ml_dtypes
import numpy as np
import pytest

from makalu.examples.gemm.gemm import gemm
from makalu.spec.encoding import disassemble
from makalu.spec.isa import FIELDS, INSTRUCTION_BYTES, INSTRUCTIONS, Queue
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.compile.program import BASE, ProgramError
from makalu.sw.compile.program_file import load_program, save_program
from makalu.sw.docs import isa_page
from makalu.sw.elements import Bits, ElementError, to_bits
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.run import run_golden

from .kernels import MINI, TINY

A, B = np.ones((4, 4), np.float32), np.ones((4, 8), np.float32)


def program():
    return compile_kernel(gemm, TINY, a=TensorSpec((4, 4), nl.bfloat16), b=TensorSpec((4, 8), nl.bfloat16))


def test_image_holds_streams_and_tensors_apart():
    p = program()
    spans = [(p.addresses[q], len(s)) for q, s in p.streams.items()]
    spans = sorted(spans + [(t.address, t.bytes) for t in p.tensors.values()])
    assert spans[0][0] == BASE and all(a + n <= b for (a, n), (b, _) in zip(spans, spans[1:], strict=False))
    assert sum(spans[-1]) <= p.bytes and p.bytes % 4096 == 0
    assert all(address % INSTRUCTION_BYTES == 0 for address in p.addresses.values())
    image = p.image({"a": A, "b": B})
    first = p.addresses[Queue.TENSOR]
    assert disassemble(image[first : first + INSTRUCTION_BYTES].tobytes()).startswith("load_stationary")
    assert (p.tensor_bits(image, "a") == 0x3F80).all()
    assert (run_golden(p, {"a": A, "b": B}, config=TINY)["c"] == 4).all()


def test_save_and_load_are_inverse(tmp_path):
    p = program()
    save_program(p, tmp_path / "gemm.makalu")
    q = load_program(tmp_path / "gemm.makalu")
    assert q == p and (q.lines, q.origins, q.tiles) == (p.lines, p.origins, p.tiles) and q.lines and q.tiles


def test_constants_are_in_the_file(tmp_path):
    def kernel(x):
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        nl.store(out, nl.add(nl.load(x), nl.load(nl.shared_constant(B))))
        return out

    p = compile_kernel(kernel, TINY, TensorSpec((4, 8), nl.float32))
    save_program(p, tmp_path / "p.makalu")
    q = load_program(tmp_path / "p.makalu")
    assert (q.image({"x": 2 * B}) == p.image({"x": 2 * B})).all()
    assert (run_golden(q, {"x": 2 * B}, config=TINY)["output"] == 3).all()


def spoilt(tmp_path, change):
    path = tmp_path / "p.makalu"
    save_program(program(), path)
    change(path)
    return path


def rewritten(path, **arrays):
    with np.load(path) as file:
        kept = {name: file[name] for name in file.files}
    with path.open("wb") as file:
        np.savez(file, **{**kept, **arrays})


def written(save, *args, **kwargs):
    file = io.BytesIO()
    save(file, *args, **kwargs)
    return file.getvalue()


def changed_header(path, key, value):
    with np.load(path) as file:
        header = json.loads(file["header"].tobytes())
    rewritten(path, header=np.frombuffer(json.dumps({**header, key: value}).encode(), np.uint8))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda path: path.write_text("hello"), "is not a program of makalu"),
        (lambda path: path.write_bytes(b""), "is not a program of makalu"),
        (lambda path: path.write_bytes(path.read_bytes()[:-500]), "is not a program of makalu"),
        (lambda path: path.write_bytes(written(np.savez, a=np.zeros(3))), "is not a program of makalu"),
        (lambda path: path.write_bytes(written(np.save, np.zeros(3))), "is not a program of makalu"),
        (lambda path: path.unlink(), "cannot be read: No such file"),
        (lambda path: changed_header(path, "version", 9), "has version 9 of the program file, this is 3"),
        (lambda path: changed_header(path, "version", 1), "has version 1 of the program file, this is 3"),
        (lambda path: changed_header(path, "encoding", 3), "has version 3 of the instruction encoding, this is 0"),
        (lambda path: changed_header(path, "encoding", None), "has version None of the instruction encoding, this is"),
        (lambda path: rewritten(path, stream_tensor=np.zeros(128, np.uint8)), "is damaged: its checksum differs"),
    ],
)
def test_a_file_that_is_no_program_is_refused(tmp_path, change, text):
    with pytest.raises(ProgramError, match=text):
        load_program(spoilt(tmp_path, change))


def test_wrong_inputs_and_configurations_are_refused():
    p = program()
    with pytest.raises(ProgramError, match=r"inputs must be \['a', 'b'\], not \['a'\]"):
        p.image({"a": A})
    with pytest.raises(ProgramError, match=r"input b must have shape \[4, 8\], not \[4, 4\]"):
        p.image({"a": A, "b": A})
    with pytest.raises(ProgramError, match="compiled for preset tiny, not for trn2-mini"):
        run_golden(p, {"a": A, "b": B}, config=MINI)


def test_floats_round_once_and_bits_stay():
    assert to_bits(np.array([1.00390625, 1.01171875], np.float32), nl.bfloat16).tolist() == [0x3F80, 0x3F82]
    bits = np.array([0x7FC1], np.uint16)
    assert to_bits(Bits(bits), nl.bfloat16).tolist() == [0x7FC1]
    assert to_bits([1, -2], nl.float32).tolist() == [0x3F800000, 0xC0000000]
    assert to_bits(np.array([1.5], ml_dtypes.bfloat16), nl.float32).tolist() == [0x3FC00000]
    assert to_bits([np.inf, -np.inf], nl.bfloat16).tolist() == [0x7F80, 0xFF80]


@pytest.mark.parametrize(
    ("values", "dtype", "text"),
    [
        (None, nl.float32, r"x must be real numbers, not object \(None\)"),
        ([1j], nl.float32, r"x must be real numbers, not complex128"),
        (["a"], nl.float32, r"x must be real numbers, not str"),
        ([0.0, 1e300], nl.float32, r"x: .*1e\+300.* at \[1\] lies beyond fp32's 3.4028235e\+38"),
        ([10**40], nl.float32, r"x must be real numbers, not object"),
        (np.array([[1, 257]], np.uint16), nl.bfloat16, r"257.* at \[0, 1\] is no number of bf16; give floats to round"),
        ([2**24 + 1], nl.float32, r"16777217.* at \[0\] is no number of fp32"),
        (Bits(np.zeros(1, np.uint16)), nl.float32, r"x: bits of fp32 are uint32, not uint16"),
    ],
)
def test_what_is_no_number_of_the_element_is_refused(values, dtype, text):
    with pytest.raises(ElementError, match=text):
        to_bits(values, dtype, "x")


def test_isa_page_names_every_instruction_and_field():
    page = isa_page()
    assert all(f"| {spec.name} |" in page for spec in INSTRUCTIONS.values())
    assert all(f"| {name} |" in page for name in FIELDS)
