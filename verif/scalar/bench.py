"""Scalar alone, in the assembly of Vector's bench."""

from verif.lib.cases import Case
from verif.vector.bench import lanes

__all__ = ["CASES"]

CASES = (
    Case(
        name="tiny",
        module="verif.scalar.test_scalar",
        tests=1,
        component=lanes,
        config="tiny",
        params={"count": 40},
        build="vector",
    ),
)
