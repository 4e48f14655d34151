"""Every example kernel: golden against numpy on three generations, the RTL of `tiny` against golden and the clock."""

import re

import numpy as np
import pytest

from makalu.examples.kernels import EXAMPLES, FOLDER
from makalu.spec.preset import load_preset
from makalu.sw.compile.compiler import compile_trace
from makalu.sw.kernel.execution import Backend, execute
from makalu.sw.kernel.file import loaded_kernel
from makalu.sw.kernel.given import given_arguments
from makalu.sw.kernel.simulate import arguments_of
from makalu.sw.nki.api import ISA_NAMES
from makalu.sw.nki.tracing import trace
from makalu.sw.rtl.program_run import run_program
from tests.core.machines import traced_machine

NAMES = [example.function for example in EXAMPLES]


def compiled(example, config):
    """The program, its inputs' bits and the arguments as values."""
    given = given_arguments([f"{n}={text}" for n, text in example.arguments(config.partitions).items()], 0)
    arrays = {}
    with loaded_kernel(example.target, None) as kernel:
        values = {name: arguments_of(value, name, arrays) for name, value in given.items()}
        program = compile_trace(trace(kernel, config, **values), kernel=example.function)
    return program, {name: arrays[name][1] for name in program.inputs}, given


def assert_near(example, done, given):
    got = done.values
    wanted = example.reference(given)
    assert sorted(got) == sorted(wanted)
    for name, (value, bound) in wanted.items():
        assert got[name].shape == value.shape, name
        error = np.abs(got[name].astype(np.float64) - value)
        assert (error <= bound).all(), (name, float(np.max(error - bound)))


@pytest.mark.parametrize("preset", ["trn1", "trn2", "trn3"])
@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_golden_is_numpy(example, preset):
    config = load_preset(preset)
    program, inputs, given = compiled(example, config)
    assert_near(example, execute(program, inputs, config, Backend.GOLDEN), given)


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_the_rtl_is_golden_and_the_timing_model(example):
    machine = traced_machine("tiny")
    program, inputs, given = compiled(example, machine.config)
    done = execute(
        program,
        inputs,
        machine.config,
        Backend.RTL,
        rtl=lambda program, inputs, config, predicted: run_program(program, inputs, config, predicted, machine=machine),
    )
    assert (done.differing, done.rtl.difference) == (0, 0) and done.compared and done.rtl.events
    assert_near(example, done, given)


def test_every_file_is_in_the_table():
    helpers = {"__init__.py", "references.py", "tiling.py"}
    assert {path.name for path in FOLDER.glob("*.py")} - helpers == {example.file for example in EXAMPLES}


def test_every_instruction_that_is_built_is_in_an_example():
    text = "".join((FOLDER / example.file).read_text() for example in EXAMPLES)
    built = {"activation", "dma_copy", "memset", "nc_matmul", "nc_transpose"}
    built |= {"tensor_copy", "tensor_scalar", "tensor_tensor"}
    assert built <= ISA_NAMES and set(re.findall(r"nisa\.(\w+)\(", text)) == built
