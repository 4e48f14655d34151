"""Tensor engine with its memories and its array: every cycle against the lockstep models, sums against golden."""

from dataclasses import replace

from verif.lib.cases import Case, Config
from verif.lib.cut import Cut
from verif.lib.variants import bench_config
from verif.tensor.tb import tensor_cut

__all__ = ["CASES"]

FOUR = {"partitions": 4, "word_bytes": 8, "mul_stages": 2, "add_stages": 1}
DEEP = {"partitions": 4, "word_bytes": 8, "mul_stages": 1, "add_stages": 3, "psum_stages": 1, "subnormals": "flush"}
DEEP |= {"background_bits": 16}
SIXTEEN = {"partitions": 16, "word_bytes": 16, "mul_stages": 1, "add_stages": 2, "psum_stages": 2, "products": 2}
"""Four groups a row, so four words of 4-byte elements."""


def tensor(config: Config) -> Cut:
    return tensor_cut(bench_config(config))


SMALL = Case(
    name="4x4",
    module="verif.tensor.test_tensor",
    tests=11,
    component=tensor,
    config=FOUR,
    params={"commands": 100, "streams": 10, "every_long_size": 1},
)

FEW = {"streams": 3, "every_long_size": 8}

CASES = (
    SMALL,
    replace(SMALL, name="4x4-seed-2", seed=2, params={**SMALL.params, "commands": 300, "streams": 30}, soak=True),
    replace(SMALL, name="4x4-deep", config=DEEP, params={**FEW, "commands": 90}, slow=True),
    replace(
        SMALL,
        name="16x16",
        config=SIXTEEN,
        params={**FEW, "commands": 60},
        hierarchical=True,
        soak=True,
    ),
    replace(SMALL, name="4x4-bf16-sums", config="bf16-sums", soak=True),
    replace(SMALL, name="4x4-bf16-sums-add-1", config="psum-add-1", soak=True),
    replace(SMALL, name="4x4-stochastic", config="stochastic", params={**FEW, "commands": 140}, soak=True),
    replace(SMALL, name="4x4-sparse", config="sparse", params={**FEW, "commands": 80}),
    replace(SMALL, name="4x4-sparse-rows", config="one-row-groups", params={**FEW, "commands": 100}, soak=True),
    replace(SMALL, name="4x4-sparse-pairs", config="pairs-of-rows", params={**FEW, "commands": 100}, soak=True),
    # every mode
    replace(SMALL, name="8x8-sparse", config="eight-background", params={**FEW, "commands": 80}, slow=True),
    replace(
        SMALL, name="8x8-sparse-seed-2", config="eight-background", seed=2, params={**FEW, "commands": 200}, soak=True
    ),
    replace(SMALL, name="8x8-mx", config="eight-mx", params={**FEW, "commands": 100}, soak=True),
    # registers without a value stay X: nothing undefined is compared
    SMALL.on_icarus(**FEW, commands=40, slow=True),
)
