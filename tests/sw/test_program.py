"""Programs: layout of the image, inputs, files, the page of the instruction set."""

import numpy as np
import pytest

from examples.gemm.gemm import gemm
from makalu.hw.spec.encoding import disassemble
from makalu.hw.spec.isa import FIELDS, INSTRUCTION_BYTES, INSTRUCTIONS, Queue
from makalu.sw.compiler import compile_kernel
from makalu.sw.docs import isa_page
from makalu.sw.nki import language as nl
from makalu.sw.nki.recording import TensorSpec
from makalu.sw.program import BASE, Program, ProgramError, to_bits
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
    p.save(tmp_path / "gemm.npz")
    assert Program.load(tmp_path / "gemm.npz") == p


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
    assert to_bits(bits, nl.bfloat16).tolist() == [0x7FC1]


def test_isa_page_names_every_instruction_and_field():
    page = isa_page()
    assert all(f"| {spec.name} |" in page for spec in INSTRUCTIONS.values())
    assert all(f"| {name} |" in page for name in FIELDS)
