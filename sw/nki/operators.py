"""Operators of the language: one object each, the value of `op=` and a function of tiles."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from makalu.spec.isa import AluOp, Function

from .errors import KernelError, NotBuiltError, shown

__all__ = ["OPERATORS", "Operator", "alu_operator", "function_operator"]


@dataclass(eq=False)
class Operator:
    """`nl.add`: `op=nl.add` in an instruction, `nl.add(x, y)` on tiles.

    `alu` is its code in Vector's instructions, `function` in an activation; None where the core has none.
    """

    name: str
    alu: AluOp | None = None
    function: Function | None = None
    apply: Callable[..., Any] | None = field(default=None, repr=False)
    """What the call does; given by the module that builds it of instructions."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.apply is None:
            instruction = self.alu is not None or self.function is not None
            more = " as a function of tiles" if instruction else "; docs/nki.md lists what is built"
            raise NotBuiltError(f"nl.{self.name}{more}")
        return self.apply(*args, **kwargs)

    def __repr__(self) -> str:
        return f"nl.{self.name}"


_UNBUILT = """
    divide abs_max abs_min abs power equal not_equal less less_equal greater greater_equal bitwise_and bitwise_or
    bitwise_xor invert left_shift right_shift logical_and logical_or logical_xor logical_not exp log sqrt rsqrt tanh
    sigmoid gelu gelu_apprx_sigmoid gelu_apprx_tanh gelu_dx gelu_apprx_sigmoid_dx silu silu_dx softplus mish erf erf_dx
    reciprocal sin cos tan arctan ceil floor trunc sign fmod mod average prelu square negative
""".split()

OPERATORS: dict[str, Operator] = {
    operator.name: operator
    for operator in (
        Operator("bypass", alu=AluOp.BYPASS),
        Operator("add", alu=AluOp.ADD),
        Operator("subtract", alu=AluOp.SUBTRACT),
        Operator("multiply", alu=AluOp.MULTIPLY),
        Operator("maximum", alu=AluOp.MAX),
        Operator("minimum", alu=AluOp.MIN),
        Operator("copy", function=Function.IDENTITY),
        Operator("relu", function=Function.RELU),
        *(Operator(name) for name in _UNBUILT),
    )
}
"""By NKI's name. Those without a code are values that an instruction refuses by name."""

_NUMPY = {"true_divide": "divide", "divide": "divide", "absolute": "abs", "positive": "copy"}


def _operator(op: Any) -> Operator | None:
    """An operator of `nl`, or the one that a ufunc of numpy stands for."""
    if isinstance(op, Operator):
        return op
    name = getattr(op, "__name__", "") if type(op).__name__ == "ufunc" else ""
    return OPERATORS.get(_NUMPY.get(name, name))


def alu_operator(place: str, op: Any) -> AluOp:
    """The code of an operator in a Vector instruction. Errors: not an operator, or one without a code."""
    found = _found(place, op, "an operator of nl such as nl.add")
    if found.alu is None:
        raise NotBuiltError(f"{place}: {found!r} on the Vector engine; it has {_listed('alu')}")
    return found.alu


def function_operator(place: str, op: Any) -> Function:
    """The code of a function in an activation. Errors: not an operator, or one without a code."""
    found = _found(place, op, "a function of nl such as nl.relu")
    if found.function is None:
        raise NotBuiltError(f"{place}: {found!r} on the Scalar engine; it has {_listed('function')}")
    return found.function


def _found(place: str, op: Any, wanted: str) -> Operator:
    found = _operator(op)
    if found is None:
        raise KernelError(f"{place} must be {wanted}, not {shown(op)}")
    return found


def _listed(code: str) -> str:
    return ", ".join(repr(operator) for operator in OPERATORS.values() if getattr(operator, code) is not None)
