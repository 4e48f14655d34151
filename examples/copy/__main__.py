"""`python -m makalu.examples.copy [preset]`: the copy on the golden model, compared with what went in."""

import numpy as np

from makalu.spec.preset import load_preset
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.run import run_golden

from .._run import run
from .copy import copy

__all__ = ["main"]

ROWS, COLUMNS = 24, 1000


def main(preset: str = "tiny") -> bool:
    """Run, print, and say whether all values are those that went in."""
    config = load_preset(preset)
    program = compile_kernel(copy, config, x=TensorSpec((ROWS, COLUMNS), nl.bfloat16))
    # bf16 has every integer up to 256
    x = np.random.default_rng(1).integers(-256, 257, (ROWS, COLUMNS)).astype(np.float32)
    out = run_golden(program, {"x": x}, config=config)["out"]
    equal = int(np.count_nonzero(out == x))
    print(f"copy on {config.name}: {ROWS} x {COLUMNS}: {equal:,} of {x.size:,} values are those that went in")
    return equal == x.size


if __name__ == "__main__":
    run("copy", main)
