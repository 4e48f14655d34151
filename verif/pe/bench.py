"""One PE in each pipeline cut, on Verilator and on Icarus, where a register without a value is X and never right.

`make test` takes a half of the cuts, in which any two parameters have all their values together; `make soak` the rest.
"""

from dataclasses import replace

from makalu.hw.tensor.pe import Pe
from makalu.spec.config import TensorConfig
from verif.lib.cases import Case, Config
from verif.lib.variants import bench_config

__all__ = ["CASES", "tensor_of"]


def tensor_of(config: Config) -> TensorConfig:
    """The array's part of a core; one as small as the cases' has no four products."""
    if isinstance(config, str):
        return bench_config(config).tensor
    tensor = bench_config({**config, "products": min(2, config.get("products", 1))}).tensor
    return replace(tensor, products=config.get("products", 1))


def pe(config: Config) -> Pe:
    return Pe(tensor=tensor_of(config))


TAKEN = {(1, 1, "keep"), (1, 2, "flush"), (1, 3, "keep"), (2, 1, "flush"), (2, 2, "keep"), (2, 3, "flush")}
"""Multiplier's and adder's registers, subnormals."""

CUTS = tuple(
    Case(
        name=f"{mul_stages}-{add_stages}-{subnormals}",
        module="verif.pe.test_pe",
        tests=9,
        component=pe,
        config={
            "partitions": 4,
            "word_bytes": 8,
            "mul_stages": mul_stages,
            "add_stages": add_stages,
            "subnormals": subnormals,
        },
        params={"cycles": 1800, "seed": 1},
        soak=(mul_stages, add_stages, subnormals) not in TAKEN,
    )
    for mul_stages in (1, 2)
    for add_stages in (1, 2, 3)
    for subnormals in ("keep", "flush")
)

PAIRS = tuple(
    replace(case, name=f"{case.name}-pairs", config={**case.config, "products": 2})
    for case in CUTS
    if case.config["subnormals"] == "keep" and case.config["add_stages"] > 1
)
"""With two products a cycle."""

QUADS = tuple(
    replace(
        CUTS[0],
        name=f"{mul_stages}-{add_stages}-quads",
        config={**CUTS[0].config, "mul_stages": mul_stages, "add_stages": add_stages, "products": 4},
    )
    for mul_stages, add_stages in ((1, 1), (3, 3))
)
"""With four."""

CHOICES = tuple(
    replace(
        CUTS[0],
        name=f"{mul_stages}-{add_stages}-{candidates}-of-{products}",
        config={
            **{**CUTS[0].config, "mul_stages": mul_stages, "add_stages": add_stages, "products": products},
            "candidates": candidates,
        },
        soak=soak,
    )
    for mul_stages, add_stages, products, candidates, soak in (
        (2, 1, 1, 16, False),
        (2, 2, 2, 8, True),
        (3, 3, 4, 16, False),
        (1, 1, 2, 4, True),
    )
)
"""With candidates among which weights choose."""

CASES = (
    *CUTS,
    *PAIRS,
    *QUADS,
    *CHOICES,
    CHOICES[0].on_icarus(cycles=500),
    *(case.on_icarus(cycles=500) for case in CUTS),
)
