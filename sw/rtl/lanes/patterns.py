"""Trees of gates that are one operation on lanes, found by attributes that the RTL gives them.

`hw/arith/count.py` marks the operand and the result of a leading-zero count: `leading_zeros_of` and `leading_zeros`,
with the same text, on wires of one module. A tree of hundreds of gates becomes one instruction.
"""

from typing import Any

from makalu.sw.rtl.lanes.emitter import Emitter, Rule
from makalu.sw.rtl.lanes.netlist import Netlist
from makalu.sw.rtl.lanes.nets import WORD, Bit, Net, NetlistError

__all__ = ["OPERAND", "RESULT", "counts", "patterns"]

OPERAND, RESULT = "leading_zeros_of", "leading_zeros"


def _marked(netlist: Netlist, attribute: str) -> dict[tuple[str, str], list[Bit]]:
    """Bits of each marked wire by the path of its module and the mark."""
    out: dict[tuple[str, str], list[Bit]] = {}
    for name, what in netlist.netnames.items():
        mark = what["attributes"].get(attribute)
        if mark is not None:
            key = name.rpartition(".")[0], str(mark).strip()
            if key in out and out[key] != what["bits"]:
                raise NetlistError(
                    f"{netlist.name}: {name} must be the only wire with {attribute} {mark} in its module"
                )
            out[key] = what["bits"]
    return out


def counts(netlist: Netlist) -> list[tuple[list[Bit], list[Bit]]]:
    """(operand, result) of every leading-zero count of the netlist."""
    operands, results = _marked(netlist, OPERAND), _marked(netlist, RESULT)
    return [(operands[key], bits) for key, bits in results.items() if key in operands]


def patterns(netlist: Netlist) -> dict[Net, Rule]:
    """Rules that replace those of the cells that drive a count's result.

    A count whose result is not all of its cells' outputs, or whose operand is wider than a word, stays gates.
    """
    out: dict[Net, Rule] = {}
    for operand, result in counts(netlist):
        if not 2 <= len(operand) <= 2 * WORD:
            continue
        nets: dict[Net, list[tuple[int, int]]] = {}
        whole = True
        for i, bit in enumerate(result):
            found: Any = netlist.source(bit)
            if isinstance(found, str) or found[0].kind != "cell":
                whole = False
                break
            nets.setdefault(found[0], []).append((found[1], i))
        if whole:
            for net, places in nets.items():
                if len(places) == net.width:
                    out[net] = _count(operand, dict(places))
    return out


def _count(operand: list[Bit], places: dict[int, int]) -> Rule:
    """`places`: bit of the count for each bit of the cell."""

    def rule(e: Emitter, net: Net, when: int) -> list[str]:
        high = max(0, len(operand) - WORD)
        words = [e.number(bits, when) for bits in (operand[high:], operand[:high]) if bits]
        count = e.vector(leading_zeros(words, len(operand)))
        out = []
        for low, bits in net.parts:
            first = places[low]
            if any(places[low + k] != first + k for k in range(bits)):
                raise NetlistError(f"{e.netlist.name}: {net.name} must have the count's bits in order")
            if bits == 1:
                out.append(e.bit(f"bitm({count},{first})"))
            else:
                shifted = f"({count}>>{first})" if first else count
                out.append(e.vector(f"{shifted}&{(1 << bits) - 1:#x}u"))
        return out

    return rule


def leading_zeros(words: list[str], width: int) -> str:
    """C++ of the count of `width` bits: the upper 32, and where there are more, the others.

    What a tree of pairs gives for 0 is kept: `width`, or `width - 1` where a power of two cannot count further. So a
    one stands just below the operand, or in its lowest bit.
    """
    up = -width % WORD
    below = 1 << up if width & (width - 1) == 0 else 1 << (up - 1)
    *upper, lowest = words
    count = f"lzc({f'({lowest}<<{up})' if up else lowest}|{below:#x}u)"
    return f"mux(nz({upper[0]}),lzc({upper[0]}),c_({WORD}u)+{count})" if upper else count
