"""What a run on the RTL may not be taken for: results after an error, a program of another preset."""

import os
import time

import numpy as np
import pytest

from makalu.spec.encoding import Instruction
from makalu.spec.isa import Opcode
from makalu.spec.preset import load_preset
from makalu.sw.compile.compiler import compile_kernel, compile_trace
from makalu.sw.compile.program import ProgramError
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec, trace
from makalu.sw.rtl import run_files
from makalu.sw.rtl.machine import Machine, MachineError
from makalu.sw.rtl.program_run import CoreStoppedError, run_program
from makalu.sw.run import run_golden
from makalu.sw.timing import predict

TINY = load_preset("tiny")
SPEC = TensorSpec((4, 8), nl.float32)
X = np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32)


def scaled_by_a_column_of_itself(x):
    tile = nl.load(x)
    for column in (0, 7, 3):
        nisa.tensor_scalar(tile, tile, nl.multiply, tile[:, column])
        nisa.activation(tile, nl.copy, tile, bias=tile[:, column])
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


def machine():
    """The one that `makalu run --backend rtl` builds."""
    return Machine(config=TINY, observe="trace", fast=True)


def test_a_scalar_operand_may_lie_inside_of_the_destination():
    """Read once before anything is written: golden and the RTL agree, in SBUF words of every alignment."""
    program = compile_kernel(scaled_by_a_column_of_itself, TINY, SPEC)
    ran = run_program(program, {"x": X}, TINY, predict(program, TINY), machine=machine())
    want = X.copy()
    for column in (0, 7, 3):
        want = want * want[:, column : column + 1]
        want = want + want[:, column : column + 1]
    assert (program.read(ran.memory)["output"] == want).all() and ran.difference == 0
    assert (run_golden(program, {"x": X}, config=TINY)["output"] == want).all()


def spoil(queues):
    for stream in queues.values():
        for at, instruction in enumerate(stream):
            if instruction.opcode is Opcode.TENSOR_SCALAR:
                stream[at] = Instruction(Opcode.TENSOR_SCALAR, {**instruction.values, "op0": 99})
                return queues
    raise AssertionError("no tensor_scalar")


def test_a_run_that_stopped_has_no_results(monkeypatch):
    monkeypatch.setattr("makalu.sw.compile.compiler._check", lambda *_: None)
    program = compile_trace(trace(scaled_by_a_column_of_itself, TINY, SPEC), transform=spoil)
    with pytest.raises(CoreStoppedError, match=r"vector stopped with OPERAND at 0x.*tensor_scalar of .*test_rtl.py"):
        run_program(program, {"x": X}, TINY, predict(compiled(), TINY), machine=machine())
    result = machine().run(program.image({"x": X}), program.addresses, max_cycles=20_000)
    with pytest.raises(MachineError, match=r"the core stopped \(vector with OPERAND\): its memory holds no result"):
        result.memory.size  # noqa: B018, the look is what is refused
    assert result.error and result.image.size == program.bytes
    result.discard()
    assert not result.trace.exists()


def compiled():
    return compile_kernel(scaled_by_a_column_of_itself, TINY, SPEC)


def test_a_program_of_another_preset_does_not_run():
    program = compiled()
    with pytest.raises(ProgramError, match="compiled for preset tiny, not for small"):
        run_program(program, {"x": X}, load_preset("small"), predict(program, TINY))
    with pytest.raises(ProgramError, match="compiled for preset tiny, not for small"):
        other = Machine(config=load_preset("small"), observe="trace", fast=True)
        run_program(program, {"x": X}, TINY, predict(program, TINY), machine=other)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"max_cycles": -1}, "max_cycles must be from 1 to 4294967295, not -1"),
        ({"max_cycles": 0}, "max_cycles must be from 1"),
        ({"max_cycles": 2**40}, "max_cycles must be from 1"),
        ({"max_cycles": 9, "watchdog": 2**40}, "watchdog must be from 0 to 4294967295"),
        ({"max_cycles": 9, "watchdog": -1}, "watchdog must be from 0"),
    ],
)
def test_numbers_that_no_register_holds_are_refused(arguments, text):
    program = compiled()
    with pytest.raises(ValueError, match=text):
        machine().run(program.image({"x": X}), program.addresses, **arguments)


def test_traces_that_nobody_discarded_go_after_a_day(tmp_path, monkeypatch):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "trace").touch()
    then = time.time() - 25 * 3600
    os.utime(tmp_path / "old", (then, then))
    monkeypatch.setattr(run_files, "RUNS", tmp_path)
    program = compiled()
    run_program(program, {"x": X}, TINY, predict(program, TINY), machine=machine())
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
