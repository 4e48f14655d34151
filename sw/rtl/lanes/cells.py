"""What each kind of cell computes, as C++ on lanes. Semantics: Yosys' cell library (kernel/calc.cc), two states.

A rule returns a variable for each part of the cell's output; parts of bitwise cells and multiplexers lie where the
netlist cut them, those of other cells are words of 32 bits. `$pmux` takes its selects as one-hot, as `proc` makes them.
"""

from collections.abc import Sequence

from makalu.sw.rtl.lanes.emitter import FALSE, NOW, TRUE, Emitter, Rule
from makalu.sw.rtl.lanes.netlist import WORD, Bit, Net, extended

__all__ = ["RULES"]


def _signed(net: Net, port: str) -> bool:
    return bool(net.parameters.get(f"{port}_SIGNED"))


def _operand(net: Net, port: str, width: int | None = None) -> list[Bit]:
    """An operand extended by its own sign, by default to the output's width."""
    return extended(net.connections[port], net.width if width is None else width, _signed(net, port))


def _truth(net: Net, value: str, e: Emitter) -> list[str]:
    """A one-bit result in a cell's output of any width."""
    if net.parts[0][1] == 1:
        return [value]
    low = "c_(1u)" if value == TRUE else "c_(0u)" if value == FALSE else f"sel({value},1u)"
    return [e.vector(low), *_nothing(net.parts[1:], e)]


def _nothing(parts: Sequence[tuple[int, int]], e: Emitter) -> list[str]:
    return [FALSE if bits == 1 else e.vector("c_(0u)") for _, bits in parts]


def _fitted(net: Net, words: list[str], e: Emitter, *, clean: bool = False) -> list[str]:
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


# ---- bitwise cells and multiplexers


def _not(word: str, bits: int) -> str:
    return f"~{word}" if bits in (1, WORD) else f"{word}^{(1 << bits) - 1:#x}u"


def _bitwise(operator: str, *, inverted: bool = False) -> Rule:
    def rule(e: Emitter, net: Net, when: int) -> list[str]:
        a, b = _operand(net, "A"), _operand(net, "B")
        out = []
        for low, bits in net.parts:
            here = slice(low, low + bits)
            text = f"{e.word(a[here], when)}{operator}{e.word(b[here], when)}"
            out.append(e.define("B" if bits == 1 else "V", _not(f"({text})", bits) if inverted else text))
        return out

    return rule


def _invert(e: Emitter, net: Net, when: int) -> list[str]:
    a = _operand(net, "A")
    return [
        e.define("B" if bits == 1 else "V", _not(e.word(a[low : low + bits], when), bits)) for low, bits in net.parts
    ]


def _multiplex(e: Emitter, net: Net, when: int) -> list[str]:
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


def _multiplex_many(e: Emitter, net: Net, when: int) -> list[str]:
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


def _equal(*, inverted: bool = False) -> Rule:
    def rule(e: Emitter, net: Net, when: int) -> list[str]:
        a, b, _ = _compared(net)
        terms = []
        for i in range(0, len(a), WORD):
            left, right = a[i : i + WORD], b[i : i + WORD]
            if len(left) == 1:
                terms.append(f"~({e.mask(left[0], when)}^{e.mask(right[0], when)})")
            else:
                terms.append(f"eq({e.number(left, when)},{e.number(right, when)})")
        value = "&".join(terms)
        return _truth(net, e.bit(f"~({value})" if inverted else value), e)

    return rule


def _compared(net: Net) -> tuple[list[Bit], list[Bit], bool]:
    """Both operands at one width, and whether they are signed numbers."""
    signed = _signed(net, "A") and _signed(net, "B")
    a, b = net.connections["A"], net.connections["B"]
    width = max(len(a), len(b))
    return extended(a, width, signed), extended(b, width, signed), signed


def _order(*, swapped: bool, inverted: bool) -> Rule:
    """a < b, with operands exchanged and the answer inverted for the other three."""

    def rule(e: Emitter, net: Net, when: int) -> list[str]:
        a, b, signed = _compared(net)
        if swapped:
            a, b = b, a
        limbs = -(-len(a) // WORD)
        left, right = (e.widened(bits, limbs * WORD, signed, when) for bits in (a, b))
        value = ""
        for i, (x, y) in enumerate(zip(left, right, strict=True)):
            less = f"{'lts' if signed and i + 1 == limbs else 'ltu'}({x},{y})"
            value = f"({less}|(eq({x},{y})&{value}))" if value else less
        return _truth(net, e.bit(f"~({value})" if inverted else value), e)

    return rule


# ---- arithmetic


def _both_signed(net: Net) -> bool:
    return _signed(net, "A") and _signed(net, "B")


def _add(operator: str) -> Rule:
    """$add, $sub: limb by limb with a carry or borrow."""

    def rule(e: Emitter, net: Net, when: int) -> list[str]:
        signed, con = _both_signed(net), net.connections
        left = e.widened(con["A"], net.width, signed, when)
        right = e.widened(con["B"], net.width, signed, when)
        fits = operator == "+" and not signed and max(len(con["A"]), len(con["B"])) < net.width
        return _fitted(net, _sum(e, operator, left, right), e, clean=fits)

    return rule


def _sum(e: Emitter, operator: str, left: list[str], right: list[str]) -> list[str]:
    words: list[str] = []
    carry: str | None = None
    for i, (x, y) in enumerate(zip(left, right, strict=True)):
        more = i + 1 < len(left)
        word = e.vector(f"{x}{operator}{y}")
        total = word if carry is None else e.vector(f"{word}{operator}sel({carry},1u)")
        if more and operator == "+":
            over = f"ltu({word},{x})"
            carry = e.bit(over if carry is None else f"{over}|ltu({total},{word})")
        elif more:
            under = f"ltu({x},{y})"
            carry = e.bit(under if carry is None else f"{under}|({carry}&eq({word},c_(0u)))")
        words.append(total)
    return words


def _negate(e: Emitter, net: Net, when: int) -> list[str]:
    right = e.widened(net.connections["A"], net.width, _signed(net, "A"), when)
    return _fitted(net, _sum(e, "-", ["c_(0u)"] * len(right), right), e)


def _same(e: Emitter, net: Net, when: int) -> list[str]:
    return _fitted(net, e.widened(net.connections["A"], net.width, _signed(net, "A"), when), e, clean=True)


def _multiply(e: Emitter, net: Net, when: int) -> list[str]:
    signed, con = _both_signed(net), net.connections
    left = e.widened(con["A"], net.width, signed, when)
    right = e.widened(con["B"], net.width, signed, when)
    longest = len(con["A"]) + len(con["B"])
    fits = not signed and longest <= net.width
    if net.width <= WORD:
        return _fitted(net, [e.vector(f"{left[0]}*{right[0]}")], e, clean=fits)
    if net.width <= 2 * WORD and not signed and max(len(con["A"]), len(con["B"])) <= WORD:
        words = [e.vector(f"{left[0]}*{right[0]}"), e.vector(f"mulhi({left[0]},{right[0]})")]
        return _fitted(net, words, e, clean=fits)
    n = len(left)
    text = f"const V x[{n}]={{{','.join(left)}}},y[{n}]={{{','.join(right)}}};wide_mul<{n}>($,x,y);"
    return _fitted(net, e.block(n, text), e)


# ---- shifts


def _amount(e: Emitter, bits: Sequence[Bit], when: int) -> str:
    """The distance as one word; any that does not fit is as good as the largest."""
    low = e.number(list(bits[:WORD]), when)
    if len(bits) <= WORD:
        return low
    return e.vector(f"mux({e.any(bits[WORD:], when)},c_(~0u),{low})")


def _shifted(e: Emitter, left: bool, words: list[str], amount: str, count: int, fill: str = FALSE) -> list[str]:
    """`words` moved by `amount`, `count` words of the result; zeros, or for a move to the right `fill`, come in."""
    if len(words) == 1 and count == 1:
        if left:
            return [e.vector(f"shl({words[0]},{amount})")]
        if fill == FALSE:
            return [e.vector(f"shr({words[0]},{amount})")]
        return [e.vector(f"sar({words[0]},{amount})")]
    n = len(words)
    array = f"const V x[{n}]={{{','.join(words)}}};"
    if left:
        return e.block(count, f"{array}wide_shl<{n},{count}>($,x,{amount});")
    return e.block(count, f"{array}wide_shr<{n},{count}>($,x,{amount},{fill});")


def _shift_left(e: Emitter, net: Net, when: int) -> list[str]:
    """$shl, $sshl: A extended to the output's width first."""
    width = net.width if _signed(net, "A") else min(net.width, len(net.connections["A"]))
    words = e.widened(net.connections["A"], width, _signed(net, "A"), when)
    amount = _amount(e, net.connections["B"], when)
    return _fitted(net, _shifted(e, True, words, amount, -(-net.width // WORD)), e)


def _right_operand(e: Emitter, net: Net, when: int, *, fills: bool) -> tuple[list[str], str]:
    """A's words, and the sign that comes in where `fills`."""
    a, signed = net.connections["A"], _signed(net, "A")
    width = max(net.width, len(a)) if signed else len(a)
    if fills and signed:
        width = -(-width // WORD) * WORD  # so that the fill enters at a word's top
        return e.widened(a, width, True, when), e.mask(a[-1], when)
    return e.widened(a, width, signed, when), FALSE


def _shift_right(*, arithmetic: bool) -> Rule:
    """$shr and $sshr: only an arithmetic shift of a signed A brings its sign in."""

    def rule(e: Emitter, net: Net, when: int) -> list[str]:
        words, fill = _right_operand(e, net, when, fills=arithmetic)
        amount = _amount(e, net.connections["B"], when)
        return _fitted(net, _shifted(e, False, words, amount, -(-net.width // WORD), fill), e)

    return rule


def _shift_both(e: Emitter, net: Net, when: int) -> list[str]:
    """$shift, $shiftx: to the right; by a negative distance (B signed) to the left."""
    count = -(-net.width // WORD)
    # $shiftx takes bits of A as they are; beyond A it is undefined, here 0
    signed = _signed(net, "A") and net.type == "$shift"
    a, b = net.connections["A"], net.connections["B"]
    width = max(net.width, len(a)) if signed else len(a)
    words = e.widened(a, width, signed, when)
    if not _signed(net, "B"):
        return _fitted(net, _shifted(e, False, words, _amount(e, b, when), count), e)
    distance = extended(b, max(len(b), WORD), True)
    right = _shifted(e, False, words, _amount(e, distance, when), count)
    low = e.number(distance[:WORD], when)
    back = e.vector(f"c_(0u)-{low}")
    if len(b) > WORD:  # a longer way than a word can say
        near = e.bit(f"{_all(e, b[WORD:], when)}&nz({low})")
        back = e.vector(f"mux({near},{back},c_(~0u))")
    left = _shifted(e, True, words, back, count)
    negative = e.mask(b[-1], when)
    return _fitted(net, [e.vector(f"mux({negative},{x},{y})") for x, y in zip(left, right, strict=True)], e)


# ---- reductions


def _reduce_or(*, inverted: bool = False) -> Rule:
    def rule(e: Emitter, net: Net, when: int) -> list[str]:
        value = e.any(net.connections["A"], when)
        return _truth(net, e.bit(_opposite(value) if inverted else value), e)

    return rule


def _opposite(value: str) -> str:
    return {TRUE: FALSE, FALSE: TRUE}.get(value, f"~{value}")


def _reduce_and(e: Emitter, net: Net, when: int) -> list[str]:
    return _truth(net, e.bit(_all(e, net.connections["A"], when)), e)


def _all(e: Emitter, bits: Sequence[Bit], when: int) -> str:
    """An expression of type B: all the bits are set."""
    terms = []
    for i in range(0, len(bits), WORD):
        here = bits[i : i + WORD]
        full = (1 << len(here)) - 1
        terms.append(e.mask(here[0], when) if len(here) == 1 else f"eq({e.number(here, when)},c_({full:#x}u))")
    return "&".join(terms)


def _reduce_xor(*, inverted: bool = False) -> Rule:
    def rule(e: Emitter, net: Net, when: int) -> list[str]:
        text = "^".join(e.mask(bit, when) for bit in net.connections["A"])
        return _truth(net, e.bit(f"~({text})" if inverted else text), e)

    return rule


def _logic(operator: str) -> Rule:
    def rule(e: Emitter, net: Net, when: int) -> list[str]:
        a, b = (e.any(net.connections[port], when) for port in ("A", "B"))
        return _truth(net, e.bit(f"{a}{operator}{b}"), e)

    return rule


def _read(e: Emitter, net: Net, when: int) -> list[str]:
    """The word at the address of this cycle; a clocked port shows it after the edge, or keeps what it shows."""
    memory = net.memory
    assert memory is not None
    words, clocked = -(-memory.width // WORD), memory.enables[net.port]
    if clocked:
        when = NOW
        kept = [_word(e.part(net, part, NOW), bits) for part, (_, bits) in enumerate(net.parts)]
        enable = e.mask(clocked[0], NOW)
    else:
        kept, enable = ["c_(0u)"] * words, TRUE
    address = e.number(memory.addresses[net.port], when)
    start = "".join(f"$[{i}]={word};" for i, word in enumerate(kept))
    number = e.netlist.memories.index(memory)
    read = f"memory_read<{words}>($,M({number}),{address},{enable},{memory.size}u,STRIDE);"
    return _fitted(net, e.block(words, start + read), e, clean=True)


def _word(value: str, bits: int) -> str:
    return f"sel({value},1u)" if bits == 1 else value


RULES: dict[str, Rule] = {
    "$and": _bitwise("&"),
    "$or": _bitwise("|"),
    "$xor": _bitwise("^"),
    "$xnor": _bitwise("^", inverted=True),
    "$not": _invert,
    "$mux": _multiplex,
    "$pmux": _multiplex_many,
    "$eq": _equal(),
    "$eqx": _equal(),
    "$ne": _equal(inverted=True),
    "$nex": _equal(inverted=True),
    "$lt": _order(swapped=False, inverted=False),
    "$gt": _order(swapped=True, inverted=False),
    "$ge": _order(swapped=False, inverted=True),
    "$le": _order(swapped=True, inverted=True),
    "$add": _add("+"),
    "$sub": _add("-"),
    "$neg": _negate,
    "$pos": _same,
    "$mul": _multiply,
    "$shl": _shift_left,
    "$sshl": _shift_left,
    "$shr": _shift_right(arithmetic=False),
    "$sshr": _shift_right(arithmetic=True),
    "$shift": _shift_both,
    "$shiftx": _shift_both,
    "$reduce_or": _reduce_or(),
    "$reduce_bool": _reduce_or(),
    "$logic_not": _reduce_or(inverted=True),
    "$reduce_and": _reduce_and,
    "$reduce_xor": _reduce_xor(),
    "$reduce_xnor": _reduce_xor(inverted=True),
    "$logic_and": _logic("&"),
    "$logic_or": _logic("|"),
    "$mem_v2": _read,
}
