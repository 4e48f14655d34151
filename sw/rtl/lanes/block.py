"""C++ of a class with many instances: one function steps a chunk of them.

State lies chunk by chunk, the registers of an instance packed into words. A function loads what it reads, computes all
that hangs on it, stores what others read and, if it steps, the state after the edge; where a stored word differs from
the one before, it sets the flags of those that read it.
"""

import json
from dataclasses import dataclass, field

from makalu.sw.rtl.lanes.cells import RULES
from makalu.sw.rtl.lanes.emitter import NEXT, NOW, TRUE, Emitter
from makalu.sw.rtl.lanes.layout import Layout
from makalu.sw.rtl.lanes.nets import WORD, Net
from makalu.sw.rtl.lanes.patterns import patterns
from makalu.sw.rtl.lanes.rows import Export

__all__ = ["Block", "Function", "packed", "shift_and_mask", "text_of", "unpacked"]


@dataclass
class Function:
    """One evaluation of a class in a cycle: what it stores and, if it `steps`, the state after the edge."""

    name: str
    exports: list[Export]
    steps: bool
    emitter: Emitter | None = None
    values: dict[Export, str] = field(default_factory=dict)
    inputs: dict[tuple[Net, int], str] = field(default_factory=dict)
    """Loaded parts of inputs and their variables."""
    registers: dict[tuple[Net, int], str] = field(default_factory=dict)
    after: dict[tuple[Net, int], str] = field(default_factory=dict)
    """Parts of registers and their values after the edge."""
    writes: list[tuple[int, str, list[str], list[str]]] = field(default_factory=list)
    """(memory, address, data, enables)"""
    rules: list[tuple[str, str]] = field(default_factory=list)
    """What holds in every cycle, and the assertion's text."""


def text_of(text: str) -> str:
    """A string of C++."""
    return json.dumps(text)


def shift_and_mask(word: str, shift: int, mask: int | None, bits: int) -> str:
    """The C++ of a field of a word: a B if it is one bit."""
    if bits == 1:
        return f"bitm({word},{shift})"
    shifted = f"({word}>>{shift})" if shift else word
    return shifted if mask is None else f"({shifted}&{mask:#x}u)"


def packed(fields: list[tuple[int, int, str]], name: str = "c_(0u)") -> str:
    """The C++ of a word made of (first bit, bits, variable)."""
    terms = []
    for low, bits, value in fields:
        if bits == 1:
            terms.append(f"sel({value},{1 << low:#x}u)")
        else:
            terms.append(f"({value}<<{low})" if low else value)
    return "|".join(terms) or name


def unpacked(word: str, low: int, bits: int, used: int) -> str:
    """The C++ of a field at `low` of a word whose highest used bit is below `used`."""
    return shift_and_mask(word, low, None if low + bits == used else (1 << bits) - 1, bits)


class Block:
    """Functions of one class. `exports`: rows that it fills; `ahead`: nets that have functions of their own."""

    def __init__(self, layout: Layout, module: str, number: int) -> None:
        self.layout, self.module, self.number = layout, module, number
        self.netlist = layout.design.netlists[module]
        self.place = layout.places[module]
        self.patterns = patterns(self.netlist)
        mine = [export for export in layout.exports if export.module == module]
        self.functions: list[Function] = []
        ahead = layout.schedule.ahead_of(module)
        for k, nets in enumerate(ahead):
            self.functions.append(Function(f"ahead{k}", [e for e in mine if e.net in nets], False))
        early = {net for nets in ahead for net in nets}
        rest = [e for e in mine if e.net not in early]
        self.initial = Function("initial", [e for e in rest if e.when == NEXT], False)
        """Stores what registers show after a reset; run once."""
        self.step = Function("step", rest, True)
        if self.netlist.registers or self.netlist.memories or self.netlist.assertions or rest:
            self.functions.append(self.step)
        for function in (*(f for f in self.functions if not f.steps), self.initial, self.step):
            self._emit(function)
        self._pack()

    # ---- what is computed

    def _emitter(self, function: Function) -> Emitter:
        def load_input(net: Net, part: int) -> str:
            return function.inputs.setdefault((net, part), f"i{len(function.inputs)}")

        def load_register(net: Net, part: int) -> str:
            return function.registers.setdefault((net, part), f"q{len(function.registers)}")

        return Emitter(
            self.netlist, rules=RULES, load_input=load_input, load_register=load_register, patterns=self.patterns
        )

    def _emit(self, function: Function) -> None:
        function.emitter = e = self._emitter(function)
        if not function.steps:
            for export in function.exports:
                function.values[export] = e.part(export.net, export.part, NOW)
            return
        trial = Function(function.name, function.exports, True)
        self._emit_step(trial, self._emitter(trial), list(self._elsewhere()))
        # all that reads a memory as it is in this cycle comes before it is written
        self._emit_step(function, e, list(trial.after))

    def _elsewhere(self) -> dict[tuple[Net, int], str]:
        """Registers that the other functions read."""
        others = [f for f in (*self.functions, self.initial) if not f.steps]
        return {key: name for f in others for key, name in f.registers.items()}

    def _emit_step(self, function: Function, e: Emitter, registers: list[tuple[Net, int]]) -> None:
        for number, memory in enumerate(self.netlist.memories):
            for address, data, enable in memory.writes:
                enables = [self._enables(e, enable[i : i + WORD]) for i in range(0, len(enable), WORD)]
                function.writes.append((number, e.number(address), e.numbers(data), enables))
        for export in function.exports:
            if export.when == NOW:
                function.values[export] = e.part(export.net, export.part, NOW)
        function.rules = [(e.mask(each.holds, NOW), each.text) for each in self.netlist.assertions]
        self._advance(function, e, registers)
        self._write(function, e)
        for export in function.exports:
            if export.when == NEXT:
                function.values[export] = e.part(export.net, export.part, NEXT)
        self._advance(function, e, [])

    def _advance(self, function: Function, e: Emitter, registers: list[tuple[Net, int]]) -> None:
        """Values after the edge of all registers that are read."""
        while wanted := [key for key in [*registers, *function.registers] if key not in function.after]:
            for net, part in dict.fromkeys(wanted):
                function.after[net, part] = e.part(net, part, NEXT)

    def _write(self, function: Function, e: Emitter) -> None:
        for number, address, data, enables in function.writes:
            memory, n = self.netlist.memories[number], len(data)
            e.statement(
                f"{{const V d[{n}]={{{','.join(data)}}},e[{n}]={{{','.join(enables)}}};"
                f"moved|=memory_write<{n}>(M({number}),{address},d,e,{memory.size}u,STRIDE);}}"
            )

    def _enables(self, e: Emitter, bits: list[int | str]) -> str:
        if len(set(bits)) == 1:
            full = (1 << len(bits)) - 1
            return e.vector(f"sel({e.mask(bits[0])},{full:#x}u)")
        return e.number(bits)

    def _pack(self) -> None:
        """A word and a bit for each part of a register; read ports have words of their own."""
        keys = list(self.step.after)
        self.at: dict[tuple[Net, int], tuple[int, int]] = {}
        self.used: list[int] = []
        """Used bits of each word."""
        for net, part in sorted(keys, key=lambda key: -key[0].parts[key[1]][1]):
            bits = net.parts[part][1]
            word = next((w for w, used in enumerate(self.used) if used + bits <= WORD), len(self.used))
            if word == len(self.used):
                self.used.append(0)
            self.at[net, part] = word, self.used[word]
            self.used[word] += bits

    def start(self) -> list[tuple[int, int]]:
        """For each word of state its value after a reset, and the bits that have no reset."""
        words = [[0, 0] for _ in self.used]
        for (net, part), (word, low) in self.at.items():
            first, bits = net.parts[part]
            mask = (1 << bits) - 1
            words[word][0] |= (net.init >> first & mask) << low
            if not net.reset:
                words[word][1] |= mask << low
        return [(value, free) for value, free in words]

    # ---- text

    def columns(self) -> list[tuple[int, ...]]:
        """For each word that chunks load, its place in the arena for each chunk."""
        offsets = [tuple(entry.offsets) for key, entry in self.layout.inputs.items() if key[0] == self.module]
        return list(dict.fromkeys(column for column in offsets if column))

    def load_text(self, function: Function) -> list[str]:
        """Declarations of the inputs and registers that a function reads."""
        columns = self.columns()
        entries = [self.layout.inputs[self.module, net.name, part] for net, part in function.inputs]
        loaded = sorted({columns.index(tuple(entry.offsets)) for entry in entries if entry.broadcast is None})
        out = [f"const V w{column}=ld(arena+in[{column}]);" for column in loaded]
        for (net, part), name in function.inputs.items():
            entry = self.layout.inputs[self.module, net.name, part]
            kind = "B" if entry.bits == 1 else "V"
            if entry.broadcast is not None:
                word = f"arena[{entry.broadcast}]"
                word = f"({word}>>{entry.shift})" if entry.shift else word
                if entry.bits == 1:
                    text = f"every({word}&1u)"
                else:
                    text = f"c_({word})" if entry.mask is None else f"c_({word}&{entry.mask:#x}u)"
            else:
                word = f"w{columns.index(tuple(entry.offsets))}"
                text = shift_and_mask(word, entry.shift, entry.mask, entry.bits)
            out.append(f"const {kind} {name}={text};")
        words = sorted({self.at[key][0] for key in function.registers})
        out += [f"const V s{w}=ld(s+{w * self.place.lanes});" for w in words]
        for key, name in function.registers.items():
            at, low = self.at[key]
            bits = key[0].parts[key[1]][1]
            kind = "B" if bits == 1 else "V"
            out.append(f"const {kind} {name}={unpacked(f's{at}', low, bits, self.used[at])};")
        return out

    def function_text(self, function: Function, groups: list[list[int]]) -> str:
        """`groups`: rows that wake the same chunks; the first ones wake none."""
        assert function.emitter is not None
        lanes = self.place.lanes
        out = [f"static void {function.name}(const u32 chunk){{", "(void)chunk;"]
        out.append(f"u32*const s=state+(size_t)chunk*{max(1, len(self.used)) * lanes};(void)s;")
        out.append(f"const u32*const in=inputs+chunk*{max(1, len(self.columns()))};(void)in;")
        out.append("const u32 slot=slots[chunk];(void)slot;")
        out += self.load_text(function)
        if function.steps:
            out.append("bool moved=false;")
        out += [line.text for line in function.emitter.lines]
        if function.steps:
            out += self._rules_text(function)
            out += self._state_text(function)
            # of all that reads state or a memory
            marks = "".join(f"flags[{{{self.module}.{f.name}}}+chunk]=1;" for f in self.functions)
            out.append(f"if(moved){{{marks}}}")
        for g, rows in enumerate(groups):
            if g:
                out.append(f"V d{g}_=c_(0);")
            for row in rows:
                fields = [(shift, export.bits, function.values[export]) for export, shift in self.layout.rows[row]]
                value = packed(fields)
                difference = f"d{g}_|=ld(o)^v;" if g else ""
                out.append(f"{{u32*const o=arena+{row}+slot;const V v={value};{difference}st(o,v);}}")
            if g:
                out.append(f"if(any(nz(d{g}_)))wake(wakes_{function.name}_{g}[chunk]);")
        out.append("}")
        return "\n".join(out)

    def _rules_text(self, function: Function) -> list[str]:
        """One look for all rules of the lanes that are instances; which one was broken matters only then."""
        values = list(dict.fromkeys(value for value, _ in function.rules if value != TRUE))
        if not values:
            return []
        instances = "nz(ld(real+chunk*LANES))" if self.partly_filled else "ONE"
        each = "".join(f"broken_(chunk,(B)~{value},{text_of(text)});" for value, text in function.rules)
        return [f"if(__builtin_expect(any((B)({instances}&~({'&'.join(values)}))),0)){{{each}}}"]

    @property
    def partly_filled(self) -> bool:
        """Some lane of some chunk is no instance."""
        return any(member is None for members in self.place.members for member in members)

    def _state_text(self, function: Function) -> list[str]:
        words: dict[int, list[tuple[int, int, str]]] = {}
        for key, value in function.after.items():
            word, low = self.at[key]
            words.setdefault(word, []).append((low, key[0].parts[key[1]][1], value))
        loaded = {self.at[key][0] for key in function.registers}
        out = ["V d_=c_(0);"]
        for word, fields in sorted(words.items()):
            at = f"s+{word * self.place.lanes}"
            before = f"s{word}" if word in loaded else f"ld({at})"
            out.append(f"{{const V v={packed(fields)};d_|={before}^v;st({at},v);}}")
        out.append("moved|=any(nz(d_));")
        return out
