"""`python -m makalu.examples.add [preset]`: the addition on the golden model, compared with numpy."""

import numpy as np

from makalu.spec.preset import load_preset
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.run import run_golden

from .._run import run
from .add import add

__all__ = ["main"]

ROWS, COLUMNS = 24, 200


def main(preset: str = "tiny") -> bool:
    """Run, print, and say whether all values are numpy's."""
    config = load_preset(preset)
    spec = TensorSpec((ROWS, COLUMNS), nl.float32)
    program = compile_kernel(add, config, x=spec, y=spec, columns=64)
    random = np.random.default_rng(1)
    x, y = (random.standard_normal((ROWS, COLUMNS)).astype(np.float32) for _ in range(2))
    out = run_golden(program, {"x": x, "y": y}, config=config)["out"]
    equal = int(np.count_nonzero(out == x + y))
    print(f"add on {config.name}: {ROWS} x {COLUMNS}: {equal:,} of {x.size:,} values are numpy's")
    return equal == x.size


if __name__ == "__main__":
    run("add", main)
