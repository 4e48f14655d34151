"""`python -m makalu.examples.sparse [preset]`: pruned weights on the golden model, compared with the full product."""

import numpy as np

from makalu.spec.preset import load_preset
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.run import run_golden
from makalu.sw.sparse import PATTERNS, pack, prune

from .._run import run
from .sparse import sparse_gemm

__all__ = ["main"]

K, M, N = 96, 48, 80


def main(preset: str = "trn2-mini") -> bool:
    """Run every pattern, print, and say whether all values are those of numpy's product in doubles."""
    config, equal = load_preset(preset), True
    for pattern, row in PATTERNS.items():
        random = np.random.default_rng(1)
        # small integers: bf16 has them and fp32 has every sum, so the order of additions does not matter
        weights, b = (random.integers(-8, 9, (K, width)).astype(np.float32) for width in (M, N))
        weights = prune(weights, pattern)
        a, tags = pack(weights, pattern)
        specs = {"a": TensorSpec(a.shape, nl.bfloat16), "tags": TensorSpec(tags.shape, nl.uint16)}
        program = compile_kernel(sparse_gemm, config, **specs, b=TensorSpec(b.shape, nl.bfloat16))
        c = run_golden(program, {"a": a, "tags": tags, "b": b}, config=config)["c"]
        same = int(np.count_nonzero(c == weights.T.astype(np.float64) @ b))
        print(
            f"sparse {pattern} on {config.name}: K, M, N = {K}, {M}, {N}, {K // row.ratio} rows stored:"
            f" {same:,} of {c.size:,} values are numpy's"
        )
        equal = equal and same == c.size
    return equal


if __name__ == "__main__":
    run("sparse", main, "trn2-mini")
