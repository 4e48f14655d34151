"""Modes of the array in hardware: what a row of `spec/tensor_modes.py` says, chosen by an instruction's field."""

from collections.abc import Callable

from amaranth.hdl import Cat, Mux, Value

from makalu.spec.tensor_modes import MODES, Mode, TensorMode

__all__ = ["is_mode", "of_mode"]


def of_mode(mode: Value, value: Callable[[TensorMode], Value]) -> Value:
    """What `value` makes of the mode's row; of a number that no mode has, that of single."""
    out = value(MODES[Mode.SINGLE])
    for row in MODES.values():
        out = Mux(mode == row.mode, value(row), out)
    return out


def is_mode(mode: Value, what: Callable[[TensorMode], bool]) -> Value:
    """One of those of whose rows `what` is true."""
    return Cat(mode == row.mode for row in MODES.values() if what(row)).any()
