"""What each kind of cell computes, on Python's integers: what the compiler of `lanes` is held against.

Written from Yosys' own semantics (kernel/calc.cc and its internal cell library), two states. Undefined is what the
stimulus must avoid: `$shiftx` beyond its operand, several selects of a `$pmux`, a read beyond a memory, two ports that
write one bit. Imports nothing of the simulator.
"""

from collections.abc import Callable, Mapping

__all__ = ["KINDS", "Memory", "evaluate"]

Parameters = Mapping[str, int]


def _mask(width: int) -> int:
    return (1 << width) - 1


def _number(value: int, width: int, signed: int) -> int:
    """The value of `width` bits as they are read: a negative one has infinitely many ones above it."""
    return value - (1 << width) if signed and width and value >> (width - 1) else value


# ---- cells whose result is a number, cut to the output's width

ONE: dict[str, Callable[[int], int]] = {
    "$not": lambda a: ~a,
    "$pos": lambda a: a,
    "$neg": lambda a: -a,
    "$logic_not": lambda a: a == 0,
}
TWO: dict[str, Callable[[int, int], int]] = {
    "$and": lambda a, b: a & b,
    "$or": lambda a, b: a | b,
    "$xor": lambda a, b: a ^ b,
    "$xnor": lambda a, b: ~(a ^ b),
    "$add": lambda a, b: a + b,
    "$sub": lambda a, b: a - b,
    "$mul": lambda a, b: a * b,
    "$eq": lambda a, b: a == b,
    "$ne": lambda a, b: a != b,
    "$eqx": lambda a, b: a == b,
    "$nex": lambda a, b: a != b,
    "$lt": lambda a, b: a < b,
    "$le": lambda a, b: a <= b,
    "$gt": lambda a, b: a > b,
    "$ge": lambda a, b: a >= b,
    "$logic_and": lambda a, b: a != 0 and b != 0,
    "$logic_or": lambda a, b: a != 0 or b != 0,
}
BITS: dict[str, Callable[[int, int], int]] = {
    "$reduce_and": lambda a, width: a == _mask(width),
    "$reduce_or": lambda a, width: a != 0,
    "$reduce_bool": lambda a, width: a != 0,
    "$reduce_xor": lambda a, width: a.bit_count() % 2,
    "$reduce_xnor": lambda a, width: 1 - a.bit_count() % 2,
}
"""Of A's bits as they are, whatever its sign."""
SHIFTS = ("$shl", "$sshl", "$shr", "$sshr", "$shift", "$shiftx")
KINDS = frozenset({*ONE, *TWO, *BITS, *SHIFTS, "$mux", "$pmux"})


def _moved(bits: int, distance: int, width: int) -> int:
    """Bits moved to the right, or to the left by a negative distance; nothing comes in."""
    if distance >= 0:
        return bits >> min(distance, bits.bit_length())
    return bits << -distance if -distance < width else 0


def _shift(kind: str, p: Parameters, bits: int, b: int) -> int:
    signed = kind in ("$shift", "$shiftx") and p["B_SIGNED"]
    distance = _number(b, p["B_WIDTH"], signed)
    a = _number(bits, p["A_WIDTH"], p["A_SIGNED"])
    width = p["Y_WIDTH"]
    if kind in ("$shl", "$sshl"):
        return _moved(a, -distance, width)
    if kind == "$sshr":
        return a >> min(distance, p["A_WIDTH"])  # of a negative number ones come in
    if kind == "$shiftx":
        return _moved(bits, distance, width)
    return _moved(a & _mask(max(width, p["A_WIDTH"])), distance, width)


def _select(kind: str, p: Parameters, a: int, b: int, s: int) -> int:
    if s == 0:
        return a
    if s & (s - 1):
        raise ValueError(f"{kind} must have at most one select, not {s:#b}")
    return b >> p["WIDTH"] * (s.bit_length() - 1)


def evaluate(kind: str, p: Parameters, a: int = 0, b: int = 0, s: int = 0) -> int:
    """The output Y of a cell with these parameters and operands, all of them as the bits that they are."""
    if kind in ONE:
        y = ONE[kind](_number(a, p["A_WIDTH"], p["A_SIGNED"]))
    elif kind in TWO:
        y = TWO[kind](_number(a, p["A_WIDTH"], p["A_SIGNED"]), _number(b, p["B_WIDTH"], p["B_SIGNED"]))
    elif kind in BITS:
        y = BITS[kind](a, p["A_WIDTH"])
    elif kind in SHIFTS:
        y = _shift(kind, p, a, b)
    elif kind in ("$mux", "$pmux"):
        return _select(kind, p, a, b, s) & _mask(p["WIDTH"])
    else:
        raise ValueError(f"no reference for {kind}")
    return int(y) & _mask(p["Y_WIDTH"])


class Memory:
    """Words of a `$mem_v2` without transparency: a read sees what was written at earlier edges."""

    def __init__(self, width: int, size: int, init: int = 0) -> None:
        self.width, self.size = width, size
        self._words = {i: init >> i * width & _mask(width) for i in range(size)} if init else {}

    def read(self, address: int) -> int:
        if address >= self.size:
            raise ValueError(f"a read must be below {self.size}, not at {address}")
        return self._words.get(address, 0)

    def write(self, address: int, data: int, enable: int) -> None:
        """At an edge, after all that reads the word before it; beyond the last word nothing happens."""
        if address < self.size:
            self._words[address] = self._words.get(address, 0) & ~enable | data & enable
