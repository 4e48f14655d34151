"""Rules of the cells that compute with numbers: sums, products, shifts."""

from collections.abc import Sequence

from makalu.sw.rtl.lanes.emitter import FALSE, Emitter, Rule
from makalu.sw.rtl.lanes.nets import WORD, Bit, Net, extended
from makalu.sw.rtl.lanes.operands import all_set, both_signed, fitted, is_signed

__all__ = ["add", "multiply", "negate", "same", "shift_both", "shift_left", "shift_right"]


# ---- arithmetic


def add(operator: str) -> Rule:
    """$add, $sub: limb by limb with a carry or borrow."""

    def rule(e: Emitter, net: Net, when: int) -> list[str]:
        signed, con = both_signed(net), net.connections
        left = e.widened(con["A"], net.width, signed, when)
        right = e.widened(con["B"], net.width, signed, when)
        fits = operator == "+" and not signed and max(len(con["A"]), len(con["B"])) < net.width
        return fitted(net, _sum(e, operator, left, right), e, clean=fits)

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


def negate(e: Emitter, net: Net, when: int) -> list[str]:
    right = e.widened(net.connections["A"], net.width, is_signed(net, "A"), when)
    return fitted(net, _sum(e, "-", ["c_(0u)"] * len(right), right), e)


def same(e: Emitter, net: Net, when: int) -> list[str]:
    return fitted(net, e.widened(net.connections["A"], net.width, is_signed(net, "A"), when), e, clean=True)


def multiply(e: Emitter, net: Net, when: int) -> list[str]:
    signed, con = both_signed(net), net.connections
    left = e.widened(con["A"], net.width, signed, when)
    right = e.widened(con["B"], net.width, signed, when)
    longest = len(con["A"]) + len(con["B"])
    fits = not signed and longest <= net.width
    if net.width <= WORD:
        return fitted(net, [e.vector(f"{left[0]}*{right[0]}")], e, clean=fits)
    if net.width <= 2 * WORD and not signed and max(len(con["A"]), len(con["B"])) <= WORD:
        words = [e.vector(f"{left[0]}*{right[0]}"), e.vector(f"mulhi({left[0]},{right[0]})")]
        return fitted(net, words, e, clean=fits)
    n = len(left)
    text = f"const V x[{n}]={{{','.join(left)}}},y[{n}]={{{','.join(right)}}};wide_mul<{n}>($,x,y);"
    return fitted(net, e.block(n, text), e)


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


def shift_left(e: Emitter, net: Net, when: int) -> list[str]:
    """$shl, $sshl: A extended to the output's width first."""
    width = net.width if is_signed(net, "A") else min(net.width, len(net.connections["A"]))
    words = e.widened(net.connections["A"], width, is_signed(net, "A"), when)
    amount = _amount(e, net.connections["B"], when)
    return fitted(net, _shifted(e, True, words, amount, -(-net.width // WORD)), e)


def _right_operand(e: Emitter, net: Net, when: int, *, fills: bool) -> tuple[list[str], str]:
    """A's words, and the sign that comes in where `fills`."""
    a, signed = net.connections["A"], is_signed(net, "A")
    width = max(net.width, len(a)) if signed else len(a)
    if fills and signed:
        width = -(-width // WORD) * WORD  # so that the fill enters at a word's top
        return e.widened(a, width, True, when), e.mask(a[-1], when)
    return e.widened(a, width, signed, when), FALSE


def shift_right(*, arithmetic: bool) -> Rule:
    """$shr and $sshr: only an arithmetic shift of a signed A brings its sign in."""

    def rule(e: Emitter, net: Net, when: int) -> list[str]:
        words, fill = _right_operand(e, net, when, fills=arithmetic)
        amount = _amount(e, net.connections["B"], when)
        return fitted(net, _shifted(e, False, words, amount, -(-net.width // WORD), fill), e)

    return rule


def shift_both(e: Emitter, net: Net, when: int) -> list[str]:
    """$shift, $shiftx: to the right; by a negative distance (B signed) to the left."""
    count = -(-net.width // WORD)
    # $shiftx takes bits of A as they are; beyond A it is undefined, here 0
    signed = is_signed(net, "A") and net.type == "$shift"
    a, b = net.connections["A"], net.connections["B"]
    width = max(net.width, len(a)) if signed else len(a)
    words = e.widened(a, width, signed, when)
    if not is_signed(net, "B"):
        return fitted(net, _shifted(e, False, words, _amount(e, b, when), count), e)
    distance = extended(b, max(len(b), WORD), True)
    right = _shifted(e, False, words, _amount(e, distance, when), count)
    low = e.number(distance[:WORD], when)
    back = e.vector(f"c_(0u)-{low}")
    if len(b) > WORD:  # a longer way than a word can say
        near = e.bit(f"{all_set(e, b[WORD:], when)}&nz({low})")
        back = e.vector(f"mux({near},{back},c_(~0u))")
    left = _shifted(e, True, words, back, count)
    negative = e.mask(b[-1], when)
    return fitted(net, [e.vector(f"mux({negative},{x},{y})") for x, y in zip(left, right, strict=True)], e)
