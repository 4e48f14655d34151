"""What goes wrong after a kernel was traced names the kernel's line."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from makalu.sim_models.golden.result import GoldenError, IllegalInstruction
from makalu.spec.encoding import Instruction
from makalu.spec.isa import Opcode, Queue
from makalu.sw.compile.compiler import CompileError, compile_kernel, compile_trace
from makalu.sw.compile.program import ProgramError
from makalu.sw.compile.program_file import load_program, save_program
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.errors import KernelError
from makalu.sw.nki.storage import Written
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.run import run_golden

from .kernels import TINY, recorded

DATA = np.ones((4, 16), np.float32)
SPEC = TensorSpec((4, 16), nl.float32)


def line_of(text):
    """The only line of this file with `text`, and it."""
    lines = Path(__file__).read_text().splitlines()
    (number,) = [i for i, line in enumerate(lines, 1) if line.strip() == text]
    return f"test_messages.py:{number}"


def forgetful(x, *, stored=True, hidden=True):
    """`never` has no value when it is read."""
    tile = nl.ndarray(x.shape, x.dtype, name="tile")
    never = nl.ndarray(x.shape, x.dtype, name="never")
    if hidden:  # from the front end, which refuses the read itself
        never.storage.marks(never)[...] = Written.VALUE
    nisa.dma_copy(tile, x)
    for _ in nl.affine_range(3):
        nisa.tensor_scalar(tile, tile, op0=nl.multiply, operand0=2.0)
    nisa.tensor_tensor(tile, tile, never, op=nl.add)
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm, name="result")
    if stored:
        nisa.dma_copy(out, tile)
    return out


LINE = "nisa.tensor_tensor(tile, tile, never, op=nl.add)"


def test_a_read_of_what_was_never_written_names_tile_and_line():
    program = compile_kernel(forgetful, TINY, x=SPEC)
    with pytest.raises(GoldenError) as error:
        run_golden(program, {"x": DATA}, config=TINY)
    text = str(error.value)
    assert "src1 reads SBUF" in text and "data2 never[4, 16] fp32 in sbuf" in text
    assert text.endswith(f"{line_of(LINE)})")


def test_the_front_end_refuses_the_read_before_golden_does():
    with pytest.raises(KernelError) as error:
        compile_kernel(forgetful, TINY, x=SPEC, hidden=False)
    text = str(error.value)
    assert text.startswith("illegal: nisa.tensor_tensor: data2 never[4, 16] fp32 in sbuf is read, but 100% of it was")
    assert text.endswith(f"(at tests/sw/{line_of(LINE)})")


def test_a_program_from_a_file_names_the_line_too(tmp_path):
    save_program(compile_kernel(forgetful, TINY, x=SPEC), tmp_path / "p.makalu")
    with pytest.raises(GoldenError, match=re.escape(line_of(LINE))):
        run_golden(load_program(tmp_path / "p.makalu"), {"x": DATA}, config=TINY)


def spoil(queues):
    """The tensor_tensor gets an operator that does not exist; a nop in front moves it."""
    for stream in queues.values():
        for at, instruction in enumerate(stream):
            if instruction.opcode == Opcode.TENSOR_TENSOR:
                wrong = Instruction(instruction.opcode, {**instruction.values, "op0": 99})
                stream[at : at + 1] = [Instruction(Opcode.NOP), wrong]
                return queues
    raise AssertionError("no tensor_tensor")


def test_an_instruction_that_the_hardware_refuses_names_the_line():
    with pytest.raises(CompileError) as error:
        compile_trace(recorded(forgetful, x=(4, 16)), transform=spoil)
    text = str(error.value)
    assert "vector: OPERAND: tensor_tensor: op0 must be one of" in text
    assert text.endswith(f"{line_of(LINE)})")


def test_an_illegal_instruction_in_a_run_names_the_line(monkeypatch):
    monkeypatch.setattr("makalu.sw.compile.compiler._check", lambda *_: None)
    program = compile_trace(recorded(forgetful, x=(4, 16)), transform=spoil)
    with pytest.raises(IllegalInstruction, match=re.escape(line_of(LINE))):
        run_golden(program, {"x": DATA}, config=TINY)


def test_every_instruction_but_nop_and_halt_has_its_operation():
    program = compile_kernel(forgetful, TINY, x=SPEC)
    names = {q: [None if n is None else program.lines[n].call for n in o] for q, o in program.origins.items()}
    assert names[Queue.VECTOR] == ["nisa.tensor_scalar"] * 3 + ["nisa.tensor_tensor", None]
    copies = [name for queue, each in names.items() if queue is not Queue.VECTOR for name in each if name]
    assert copies == ["nisa.dma_copy"] * 2


def test_an_output_that_nothing_writes_is_refused():
    text = r"output result\[4, 16\] fp32 in shared_hbm is never written, the first at \[0, 0\]"
    with pytest.raises(CompileError, match=text):
        compile_kernel(forgetful, TINY, x=SPEC, stored=False)


def test_a_shape_is_a_shape_however_it_was_given():
    program = compile_kernel(forgetful, TINY, x=replace(SPEC, shape=[4, 16]))
    with pytest.raises(ProgramError, match=r"must have shape \[4, 16\], not \[4, 8\]"):
        program.image({"x": DATA[:, :8]})
    assert program.image({"x": DATA}).any()
