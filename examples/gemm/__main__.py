"""`python -m makalu.examples.gemm [preset]`: the GEMM on the golden model, compared with numpy."""

import numpy as np

from makalu.spec.preset import load_preset
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.run import run_golden

from .._run import run
from .gemm import gemm

__all__ = ["main"]

K, M, N = 64, 48, 80


def main(preset: str = "tiny") -> bool:
    """Run, print, and say whether all values are numpy's."""
    config = load_preset(preset)
    program = compile_kernel(gemm, config, a=TensorSpec((K, M), nl.bfloat16), b=TensorSpec((K, N), nl.bfloat16))
    random = np.random.default_rng(1)
    # small integers: bf16 has them and fp32 has every sum, so numpy's order of additions does not matter
    a, b = (random.integers(-8, 9, (K, width)).astype(np.float32) for width in (M, N))
    c = run_golden(program, {"a": a, "b": b}, config=config)["c"]
    equal = int(np.count_nonzero(c == a.T @ b))
    print(f"gemm on {config.name}: K, M, N = {K}, {M}, {N}: {equal:,} of {c.size:,} values are numpy's")
    return equal == c.size


if __name__ == "__main__":
    run("gemm", main)
