"""What the rules of cells share: a cell's operands as bits, its result as the parts of its output."""

from collections.abc import Sequence

from makalu.sw.rtl.lanes.emitter import FALSE, TRUE, Emitter
from makalu.sw.rtl.lanes.nets import WORD, Bit, Net, extended

__all__ = ["all_set", "both_signed", "compared", "fitted", "is_signed", "operand", "truth"]


def is_signed(net: Net, port: str) -> bool:
    """The operand is a signed number."""
    return bool(net.parameters.get(f"{port}_SIGNED"))


def operand(net: Net, port: str, width: int | None = None) -> list[Bit]:
    """An operand extended by its own sign, by default to the output's width."""
    return extended(net.connections[port], net.width if width is None else width, is_signed(net, port))


def truth(net: Net, value: str, e: Emitter) -> list[str]:
    """A one-bit result in a cell's output of any width."""
    if net.parts[0][1] == 1:
        return [value]
    low = "c_(1u)" if value == TRUE else "c_(0u)" if value == FALSE else f"sel({value},1u)"
    return [e.vector(low), *_nothing(net.parts[1:], e)]


def _nothing(parts: Sequence[tuple[int, int]], e: Emitter) -> list[str]:
    return [FALSE if bits == 1 else e.vector("c_(0u)") for _, bits in parts]


def fitted(net: Net, words: list[str], e: Emitter, *, clean: bool = False) -> list[str]:
    """Words of 32 bits as the parts of the output; `clean`: no bit above the output's width is set."""
    out = []
    for low, bits in net.parts:
        word = words[low // WORD]
        if bits == 1:
            out.append(e.bit(f"bitm({word},0)"))
        elif bits == WORD or clean:
            out.append(e.vector(word))
        else:
            out.append(e.vector(f"({word})&{(1 << bits) - 1:#x}u"))
    return out


def both_signed(net: Net) -> bool:
    """Of two operands: only then the cell's numbers are signed."""
    return is_signed(net, "A") and is_signed(net, "B")


def compared(net: Net) -> tuple[list[Bit], list[Bit], bool]:
    """Both operands at one width, and whether they are signed numbers."""
    signed = both_signed(net)
    a, b = net.connections["A"], net.connections["B"]
    width = max(len(a), len(b))
    return extended(a, width, signed), extended(b, width, signed), signed


def all_set(e: Emitter, bits: Sequence[Bit], when: int) -> str:
    """An expression of type B: all the bits are set."""
    terms = []
    for i in range(0, len(bits), WORD):
        here = bits[i : i + WORD]
        full = (1 << len(here)) - 1
        terms.append(e.mask(here[0], when) if len(here) == 1 else f"eq({e.number(here, when)},c_({full:#x}u))")
    return "&".join(terms)
