"""Rules of the cells that have no carry: bitwise ones, multiplexers, comparisons, reductions."""

from collections.abc import Sequence

from makalu.sw.rtl.lanes.emitter import FALSE, TRUE, Emitter, Rule
from makalu.sw.rtl.lanes.nets import WORD, Bit, Net
from makalu.sw.rtl.lanes.operands import all_set, compared, operand, truth

__all__ = [
    "bitwise",
    "equal",
    "invert",
    "logic",
    "multiplex",
    "multiplex_many",
    "order",
    "reduce_and",
    "reduce_or",
    "reduce_xor",
]


# ---- bitwise cells and multiplexers


def _not(word: str, bits: int) -> str:
    return f"~{word}" if bits in (1, WORD) else f"{word}^{(1 << bits) - 1:#x}u"


def bitwise(operator: str, *, inverted: bool = False) -> Rule:
    def rule(e: Emitter, net: Net, when: int) -> list[str]:
        a, b = operand(net, "A"), operand(net, "B")
        out = []
        for low, bits in net.parts:
            here = slice(low, low + bits)
            text = f"{e.word(a[here], when)}{operator}{e.word(b[here], when)}"
            out.append(e.define("B" if bits == 1 else "V", _not(f"({text})", bits) if inverted else text))
        return out

    return rule


def invert(e: Emitter, net: Net, when: int) -> list[str]:
    a = operand(net, "A")
    return [
        e.define("B" if bits == 1 else "V", _not(e.word(a[low : low + bits], when), bits)) for low, bits in net.parts
    ]


def multiplex(e: Emitter, net: Net, when: int) -> list[str]:
    """$mux: B where S, else A."""
    con = net.connections
    out = []
    for low, bits in net.parts:
        here = slice(low, low + bits)
        chosen, other = e.word(con["B"][here], when), e.word(con["A"][here], when)
        select = e.mask(con["S"][0], when)
        if chosen == other:
            out.append(chosen)
        elif bits == 1:
            out.append(e.bit(_choice(select, chosen, other)))
        elif _zero(e, con["A"][here]):
            out.append(e.vector(f"andm({select},{chosen})"))
        elif _zero(e, con["B"][here]):
            out.append(e.vector(f"andnotm({select},{other})"))
        else:
            out.append(e.vector(f"mux({select},{chosen},{other})"))
    return out


def _zero(e: Emitter, bits: Sequence[Bit]) -> bool:
    return e.netlist.constant(bits) == 0


def _choice(select: str, chosen: str, other: str) -> str:
    """One bit of a multiplexer."""
    simple = {
        (TRUE, FALSE): select,
        (FALSE, TRUE): f"~{select}",
    }
    if (chosen, other) in simple:
        return simple[chosen, other]
    if other == FALSE:
        return f"{select}&{chosen}"
    if other == TRUE:
        return f"~{select}|{chosen}"
    if chosen == TRUE:
        return f"{select}|{other}"
    if chosen == FALSE:
        return f"{other}&~{select}"
    return f"({select}&{chosen})|({other}&~{select})"


def multiplex_many(e: Emitter, net: Net, when: int) -> list[str]:
    """$pmux: the part of B whose select is set, A without one."""
    con, width = net.connections, net.width
    selects = [e.mask(bit, when) for bit in con["S"]]
    none = None
    out = []
    for low, bits in net.parts:
        terms = []
        for i, select in enumerate(selects):
            here = con["B"][i * width + low : i * width + low + bits]
            if not _zero(e, here):
                word = e.word(here, when)
                terms.append(f"({select}&{word})" if bits == 1 else f"andm({select},{word})")
        default = con["A"][low : low + bits]
        if not _zero(e, default):
            if none is None:
                none = e.any(con["S"], when)
            word = e.word(default, when)
            terms.append(f"(~{none}&{word})" if bits == 1 else f"andnotm({none},{word})")
        empty = FALSE if bits == 1 else "c_(0u)"
        out.append(e.define("B" if bits == 1 else "V", "|".join(terms) or empty))
    return out


# ---- comparisons


def equal(*, inverted: bool = False) -> Rule:
    def rule(e: Emitter, net: Net, when: int) -> list[str]:
        a, b, _ = compared(net)
        terms = []
        for i in range(0, len(a), WORD):
            left, right = a[i : i + WORD], b[i : i + WORD]
            if len(left) == 1:
                terms.append(f"~({e.mask(left[0], when)}^{e.mask(right[0], when)})")
            else:
                terms.append(f"eq({e.number(left, when)},{e.number(right, when)})")
        value = "&".join(terms)
        return truth(net, e.bit(f"~({value})" if inverted else value), e)

    return rule


def order(*, swapped: bool, inverted: bool) -> Rule:
    """a < b, with operands exchanged and the answer inverted for the other three."""

    def rule(e: Emitter, net: Net, when: int) -> list[str]:
        a, b, signed = compared(net)
        if swapped:
            a, b = b, a
        limbs = -(-len(a) // WORD)
        left, right = (e.widened(bits, limbs * WORD, signed, when) for bits in (a, b))
        value = ""
        for i, (x, y) in enumerate(zip(left, right, strict=True)):
            less = f"{'lts' if signed and i + 1 == limbs else 'ltu'}({x},{y})"
            value = f"({less}|(eq({x},{y})&{value}))" if value else less
        return truth(net, e.bit(f"~({value})" if inverted else value), e)

    return rule


# ---- reductions


def reduce_or(*, inverted: bool = False) -> Rule:
    def rule(e: Emitter, net: Net, when: int) -> list[str]:
        value = e.any(net.connections["A"], when)
        return truth(net, e.bit(_opposite(value) if inverted else value), e)

    return rule


def _opposite(value: str) -> str:
    return {TRUE: FALSE, FALSE: TRUE}.get(value, f"~{value}")


def reduce_and(e: Emitter, net: Net, when: int) -> list[str]:
    return truth(net, e.bit(all_set(e, net.connections["A"], when)), e)


def reduce_xor(*, inverted: bool = False) -> Rule:
    def rule(e: Emitter, net: Net, when: int) -> list[str]:
        text = "^".join(e.mask(bit, when) for bit in net.connections["A"])
        return truth(net, e.bit(f"~({text})" if inverted else text), e)

    return rule


def logic(operator: str) -> Rule:
    def rule(e: Emitter, net: Net, when: int) -> list[str]:
        a, b = (e.any(net.connections[port], when) for port in ("A", "B"))
        return truth(net, e.bit(f"{a}{operator}{b}"), e)

    return rule
