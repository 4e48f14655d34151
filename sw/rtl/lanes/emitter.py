"""Values of a netlist as C++ expressions: which line computes which part of which net, each once.

A part of a net is a variable: of type `V` (a vector of 32-bit lanes, zero-extended) or, where it is one bit, of type
`B` (a truth value a lane). `lanes.h` has both types and the functions on them.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from makalu.sw.rtl.lanes.netlist import Netlist
from makalu.sw.rtl.lanes.nets import WORD, Bit, Net, NetlistError, extended

__all__ = ["NEXT", "NOW", "TRUE", "Emitter", "Line"]

NOW, NEXT = 0, 1
"""Values of this cycle, or after its edge (registers, and what hangs on nothing else)."""
TRUE, FALSE = "ONE", "ZERO"

NAME = re.compile(r"\b[abviqr]\d+\b")
"""Variables: v and b of a value, a of an array, i of an input, q of a register, r of a word that was read."""


@dataclass(frozen=True)
class Line:
    """Statements that define variables (type, name); `uses` are the variables they read."""

    defines: tuple[tuple[str, str], ...]
    uses: frozenset[str]
    text: str


Rule = Callable[["Emitter", Net, int], list[str]]


class Emitter:
    """Lines of C++ for some values of one netlist.

    `load_input(net, part)` and `load_register(net, part)` name the variable that holds a part of an input, or of a
    register or clocked read port as it is in this cycle. `rules`: the C++ of each kind of cell; `patterns`: rules that
    take the place of some cells' own.
    """

    def __init__(
        self,
        netlist: Netlist,
        *,
        rules: dict[str, Rule],
        load_input: Callable[[Net, int], str],
        load_register: Callable[[Net, int], str],
        patterns: dict[Net, Rule] | None = None,
    ) -> None:
        self.netlist = netlist
        self.lines: list[Line] = []
        self._rules, self._patterns = rules, patterns or {}
        self._load_input, self._load_register = load_input, load_register
        self._parts: dict[tuple[Net, int], list[str | None]] = {}
        self._words: dict[tuple[str, int, tuple[Bit, ...]], str] = {}
        self._busy: set[tuple[Net, int]] = set()
        self._count = 0

    # ---- lines

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"

    def vector(self, expression: str) -> str:
        """A new variable of type V."""
        return self.define("V", expression)

    def bit(self, expression: str) -> str:
        """A new variable of type B."""
        return self.define("B", expression)

    def define(self, kind: str, expression: str) -> str:
        if expression in (TRUE, FALSE) or NAME.fullmatch(expression):
            return expression
        name = self._name(kind.lower())
        uses = frozenset(NAME.findall(expression))
        self.lines.append(Line(((kind, name),), uses, f"const {kind} {name}={expression};"))
        return name

    def block(self, count: int, text: str) -> list[str]:
        """`count` variables of type V that `text` computes: it assigns the array that `$` stands for."""
        array = self._name("a")
        names = [self._name("v") for _ in range(count)]
        uses = frozenset(NAME.findall(text))
        body = f"V {array}[{count}];{{{text.replace('$', array)}}}"
        body += "".join(f"const V {name}={array}[{i}];" for i, name in enumerate(names))
        self.lines.append(Line(tuple(("V", name) for name in names), uses, body))
        return names

    def statement(self, text: str) -> None:
        """A line that defines nothing."""
        self.lines.append(Line((), frozenset(NAME.findall(text)), text))

    # ---- parts of nets

    def part(self, net: Net, number: int, when: int) -> str:
        """The variable of one part of a net."""
        key = net, when
        if key not in self._parts:
            if key in self._busy:
                raise NetlistError(f"{self.netlist.name}: {net.name} must not depend on itself without a register")
            self._busy.add(key)
            self._parts[key] = self._evaluate(net, when)
            self._busy.discard(key)
        parts = self._parts[key]
        found = parts[number]
        if found is None:
            load = self._load_input if net.kind == "input" else self._load_register
            parts[number] = found = load(net, number)
        return found

    def give(self, net: Net, values: list[str], when: int) -> None:
        """What a net's parts are, where it is not this class that computes them."""
        self._parts[net, when] = list(values)

    def _evaluate(self, net: Net, when: int) -> list[str | None]:
        loads: list[str | None] = [None] * len(net.parts)
        if net.kind == "input":
            if when == NEXT:
                raise NetlistError(f"{self.netlist.name}: input {net.name} has no value of the next cycle")
            return loads
        clocked = net.kind == "register" or (net.memory is not None and net.memory.enables[net.port])
        if clocked and when == NOW:
            return loads
        if net.kind == "register":
            return [self.word(net.connections["D"][low : low + bits], NOW) for low, bits in net.parts]
        rule = self._patterns.get(net) or self._rules.get(net.type)
        if rule is None:
            raise NetlistError(f"{self.netlist.name}: no rule for cell {net.name} ({net.type})")
        return list(rule(self, net, when))

    # ---- words of bits

    def read(self, net: Net, low: int, width: int, when: int) -> list[tuple[str, int, int, int]]:
        """(variable, its bits, first bit taken, bits taken) of the parts that hold these bits, lowest first."""
        out = []
        for number in range(net.part(low), len(net.parts)):
            start, bits = net.parts[number]
            first, last = max(start, low), min(start + bits, low + width)
            if first >= last:
                break
            out.append((self.part(net, number, when), bits, first - start, last - first))
        return out

    def word(self, bits: Sequence[Bit], when: int = NOW) -> str:
        """At most 32 bits as a variable: V, or B if it is one bit."""
        if len(bits) == 1:
            return self.mask(bits[0], when)
        return self.number(bits, when)

    def mask(self, bit: Bit, when: int = NOW) -> str:
        """One bit as a B."""
        found = self.netlist.source(bit)
        if isinstance(found, str):
            return TRUE if found == "1" else FALSE
        key = "B", when, (bit,)
        if key not in self._words:
            ((name, bits, low, _),) = self.read(*found, 1, when)
            self._words[key] = name if bits == 1 else self.bit(f"bitm({name},{low})")
        return self._words[key]

    def number(self, bits: Sequence[Bit], when: int = NOW) -> str:
        """At most 32 bits as a V."""
        key = "V", when, tuple(bits)
        if key not in self._words:
            self._words[key] = self.vector(self._decoder(bits, when) or self._gather(bits, when))
        return self._words[key]

    def numbers(self, bits: Sequence[Bit], when: int = NOW) -> list[str]:
        """Any number of bits, 32 a V, lowest first."""
        return [self.number(bits[i : i + WORD], when) for i in range(0, len(bits), WORD)]

    def _gather(self, bits: Sequence[Bit], when: int) -> str:
        constant, terms = 0, []
        pieces: list[tuple[str, int, int, int, int]] = []
        for run in self.netlist.runs(bits):
            if run.net is None:
                constant |= run.low << run.at
                continue
            at = run.at
            for name, width, low, taken in self.read(run.net, run.low, run.width, when):
                last = pieces[-1] if pieces else None
                if last is not None and width == 1 and last[0] == name and last[4] + last[3] == at:
                    pieces[-1] = (name, 1, 0, last[3] + 1, last[4])  # a sign that is extended
                else:
                    pieces.append((name, width, low, taken, at))
                at += taken
        for name, width, low, taken, at in pieces:
            mask = (1 << taken) - 1
            if width == 1:
                terms.append(f"sel({name},{mask << at:#x}u)")
            elif low == at:
                terms.append(name if low == 0 and taken == width else f"({name}&{mask << low:#x}u)")
            elif at > low:
                whole = low == 0 and (taken == width or at + taken == WORD)
                terms.append(f"({name}<<{at - low})" if whole else f"(({name}&{mask << low:#x}u)<<{at - low})")
            else:
                whole = at == 0 and low + taken == width
                terms.append(f"({name}>>{low - at})" if whole else f"(({name}>>{low - at})&{mask << at:#x}u)")
        if not terms:
            return f"c_({constant:#x}u)"
        if constant:
            terms.append(f"{constant:#x}u")
        return "|".join(terms)

    # ---- decoders: bits that are x == k, x == k - 1, ..., are one shifted bit

    def _decoded(self, bit: Bit) -> tuple[tuple[Bit, ...], int, Bit] | None:
        """(x, k, enable) of a bit that is `enable & (x == k)`."""
        found = self.netlist.source(bit)
        if isinstance(found, str) or found[0].kind != "cell" or found[1]:
            return None
        con = found[0].connections
        if found[0].type == "$eq":
            k = self.netlist.constant(con["B"])
            signed = found[0].parameters["A_SIGNED"] and found[0].parameters["B_SIGNED"]
            if k is None or signed or not 2 <= len(con["A"]) <= WORD or k >> len(con["A"]):
                return None  # a constant that does not fit is never met
            return tuple(con["A"]), k, "1"
        if found[0].type == "$and" and found[0].width == 1:
            for mine, other in (("A", "B"), ("B", "A")):
                inner = self._decoded(con[mine][0])
                if inner is not None and inner[2] == "1":
                    return inner[0], inner[1], con[other][0]
        return None

    def _decoder(self, bits: Sequence[Bit], when: int) -> str | None:
        """An expression for a word that has at least six such bits in a row."""
        if len(bits) < MOST_SINGLE:
            return None
        decoded = [self._decoded(bit) for bit in bits]
        terms, rest = [], list(bits)
        start = 0
        while start < len(bits):
            first = decoded[start]
            end = start + 1
            if first is not None:
                while end < len(bits) and decoded[end] == (first[0], first[1] - (end - start), first[2]):
                    end += 1
                if end - start >= MOST_SINGLE:
                    mask = ((1 << (end - start)) - 1) << start
                    place = f"c_({first[1] + start:#x}u)-{self.number(first[0], when)}"
                    term = f"(shl(c_(1u),{place})&{mask:#x}u)"
                    terms.append(term if first[2] == "1" else f"andm({self.mask(first[2], when)},{term})")
                    rest[start:end] = ["0"] * (end - start)
            start = end
        if not terms:
            return None
        if any(self.netlist.source(bit) != "0" for bit in rest):
            terms.append(self.number(rest, when))
        return "|".join(terms)

    # ---- truth of several bits

    def any(self, bits: Sequence[Bit], when: int = NOW) -> str:
        """A B: one of the bits is set; nothing is gathered that lies apart."""
        key = "any", when, tuple(bits)
        if key not in self._words:
            masks, vectors, true = [], [], False
            for run in self.netlist.runs(bits):
                if run.net is None:
                    true |= run.low != 0
                    continue
                for name, width, low, taken in self.read(run.net, run.low, run.width, when):
                    if width == 1:
                        masks.append(name)
                    elif taken == width:
                        vectors.append(name)
                    else:
                        vectors.append(f"({name}&{((1 << taken) - 1) << low:#x}u)")
            if vectors:
                masks.insert(0, f"nz({'|'.join(dict.fromkeys(vectors))})")
            self._words[key] = TRUE if true else self.bit("|".join(dict.fromkeys(masks))) if masks else FALSE
        return self._words[key]

    def widened(self, bits: Sequence[Bit], width: int, signed: bool, when: int) -> list[str]:
        """The bits, extended to `width`, as V's."""
        return self.numbers(extended(bits, width, signed), when)


MOST_SINGLE = 6
"""Decoders of fewer bits stay single bits."""
