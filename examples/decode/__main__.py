"""`python -m makalu.examples.decode [preset]`: a decode step on the golden model, compared with numpy."""

import ml_dtypes
import numpy as np

from makalu.spec.preset import load_preset
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.run import run_golden

from .._run import run
from .decode import Model, Operand, decode

__all__ = ["main"]

BATCH = 3


def main(preset: str = "tiny") -> bool:
    """Run, print, and say whether all values are numpy's."""
    config = load_preset(preset)
    model = Model(config.partitions)
    streams = BATCH * model.kv_heads
    shapes = {f"w_{name}": shape for name, shape in model.weights().items()}
    shapes |= {f"x_{name}": (k, BATCH) for name, (k, _) in model.weights().items()}
    shapes |= {"queries": (model.head, streams * model.group), "keys": (streams * model.head, model.context)}
    shapes |= {"probabilities": (model.context, streams * model.group), "values": (streams * model.context, model.head)}
    # TensorSpecs stand for the tensors until the kernel is traced
    given = {name: Operand(TensorSpec(shape, nl.bfloat16, name)) for name, shape in shapes.items()}  # type: ignore[arg-type]
    program = compile_kernel(
        decode,
        config,
        {name: given[f"w_{name}"] for name in model.weights()},
        {name: given[f"x_{name}"] for name in model.weights()},
        **{name: given[name] for name in ("queries", "keys", "probabilities", "values")},
        group=model.group,
    )
    random = np.random.default_rng(1)
    # small integers: fp32 has every sum, so numpy's order of additions does not matter
    inputs = {name: random.integers(-8, 9, shape).astype(np.float32) for name, shape in shapes.items()}
    got = run_golden(program, inputs, config=config)
    want = {name: inputs[f"w_{name}"].T @ inputs[f"x_{name}"] for name in model.weights()}
    for name, stationary, moving in (("scores", "queries", "keys"), ("mixed", "probabilities", "values")):
        left = np.split(inputs[stationary], streams, axis=1)
        right = np.split(inputs[moving], streams)
        want[name] = np.concatenate([a.T @ b for a, b in zip(left, right, strict=True)])
    equal = sum(
        int(np.count_nonzero(got[name] == want[name].astype(ml_dtypes.bfloat16).astype(np.float32))) for name in want
    )
    count = sum(each.size for each in want.values())
    print(f"decode on {config.name}: {BATCH} sequences: {equal:,} of {count:,} values are numpy's")
    return equal == count


if __name__ == "__main__":
    run("decode", main)
