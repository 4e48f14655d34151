"""Leading-zero count as a tree of named signals."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

__all__ = ["OPERAND_ATTRIBUTE", "RESULT_ATTRIBUTE", "leading_zeros"]

OPERAND_ATTRIBUTE = "leading_zeros_of"
RESULT_ATTRIBUTE = "leading_zeros"


def leading_zeros(m: Module, value: Value, *, name: str) -> Signal:
    """Number of zeros above the highest one of `value`; the result is open when `value` is 0.

    A compiler of the netlist may replace the tree by an instruction of its own: the operand's wire has the attribute
    `leading_zeros_of`, the result's `leading_zeros`, both with the text `name` and in one module. RTLIL and Yosys' JSON
    have them, also of a flattened netlist; the Verilog has none. The operand is `value` if that is a `Signal`, else a
    new one. A wire that is the same nets as one of them (a plain copy) may have the attribute too.

    Does not: tell whether `value` is 0; check that no other count of the module has this name. `Signal.like` copies
    attributes, so take it of neither. Width of the result: enough for `len(value) - 1`.

    Errors: `ValueError` for a `Signal` that is another count's operand, and for less than 2 bits.
    """
    if isinstance(value, Signal):
        operand = value
    else:
        operand = Signal(len(value), name=f"{name}_operand")
        m.d.comb += operand.eq(value)
    if OPERAND_ATTRIBUTE in operand.attrs:
        raise ValueError(f"leading_zeros of {operand.name} must be counted once, not again as {name}")
    operand.attrs[OPERAND_ATTRIBUTE] = name
    width = 1 << (len(value) - 1).bit_length()
    # ones below the value, so that only whole pairs meet in the tree
    empty = [~operand[i] for i in reversed(range(len(value)))] + [Const(0, 1)] * (width - len(value))
    counts: list[Signal | None] = [None] * width
    level = 0
    while len(empty) > 1:
        next_empty, next_counts = [], []
        for i in range(0, len(empty), 2):
            high, low = empty[i], empty[i + 1]
            both = Signal(name=f"{name}_empty{level}_{i // 2}")
            count = Signal(level + 1, name=f"{name}_count{level}_{i // 2}")
            m.d.comb += both.eq(high & low)
            below = Const(0, 0) if counts[i] is None else Mux(high, counts[i + 1], counts[i])
            m.d.comb += count.eq(Cat(below, high))
            next_empty.append(both)
            next_counts.append(count)
        empty, counts = next_empty, next_counts
        level += 1
    result = counts[0]
    if result is None:
        raise ValueError(f"leading_zeros needs at least 2 bits, not {len(value)}")
    result.attrs[RESULT_ATTRIBUTE] = name
    return result
