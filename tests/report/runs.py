"""Runs that the tests of reports share: examples and random programs, predicted."""

import functools

from makalu.examples.copy.copy import copy
from makalu.examples.digits.network import compile_network
from makalu.examples.digits.train import digits, train
from makalu.examples.gemm.gemm import gemm
from makalu.spec.preset import load_preset
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.random_programs.program import random_program
from makalu.sw.report.record import RunRecord
from makalu.sw.timing import predict

__all__ = ["NAMES", "record"]

NAMES = (
    "gemm on small",
    "late gemm on tiny",
    "copy on tiny",
    "digits on small",
    "random 1 on tiny",
    "random 2 on tiny",
)
"""A late one does not start in the first cycle after reset."""


@functools.cache
def record(name: str) -> RunRecord:
    kernel, _, preset = name.partition(" on ")
    config = load_preset(preset)
    start = 0
    if kernel == "digits":
        program = compile_network(config, train(digits()), images=16)
    elif kernel == "copy":
        program = compile_kernel(copy, config, x=TensorSpec((12, 40), nl.bfloat16), columns=8)
    elif kernel.startswith("random"):
        program = random_program(config, seed=int(kernel.split()[1]), instructions=60).program
    else:
        size = config.partitions * 4
        spec = TensorSpec((size, size), nl.bfloat16)
        program = compile_kernel(gemm, config, a=spec, b=spec)
        start = 1003 * kernel.startswith("late")
    return RunRecord(config=config, program=program, timeline=predict(program, config, start=start), kernel=kernel)
