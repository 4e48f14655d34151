"""Leading-zero count as a tree of named signals."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

__all__ = ["leading_zeros"]


def leading_zeros(m: Module, value: Value, *, name: str) -> Signal:
    """Number of zeros above the highest one of `value`; the result is open when `value` is 0.

    Does not: tell whether `value` is 0. Width of the result: enough for `len(value) - 1`.
    """
    width = 1 << (len(value) - 1).bit_length()
    # ones below the value, so that only whole pairs meet in the tree
    empty = [~value[i] for i in reversed(range(len(value)))] + [Const(0, 1)] * (width - len(value))
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
    return result
