"""C++ of a class with one chunk, cut into pieces that run only when something they read has changed.

For what is large and mostly idle: the core's top (one lane), or a whole small core (a lane a core). A piece is some
hundred lines in the order in which values hang on each other. Values that cross pieces are kept; a piece that gives one
another value sets the flags of the pieces that read it. Registers take their new values after all pieces have run, and
memories are written then: every piece sees the cycle as it began.
"""

from dataclasses import dataclass, field

from makalu.sw.rtl.lanes.block import Block, Function, shift_and_mask, text_of
from makalu.sw.rtl.lanes.emitter import Emitter, Line
from makalu.sw.rtl.lanes.nets import WORD, Net
from makalu.sw.rtl.lanes.rows import Export

__all__ = ["MOST_PIECES", "Piece", "Pieces"]

MOST_PIECES = 400
SMALLEST = 60
"""Lines of a piece."""


@dataclass
class Piece:
    """Lines, and the names they take from elsewhere."""

    lines: list[str] = field(default_factory=list)
    uses: set[str] = field(default_factory=set)
    defines: dict[str, str] = field(default_factory=dict)


class Pieces(Block):
    """A `Block` of one chunk whose step is cut up."""

    def _write(self, function: Function, e: Emitter) -> None:
        """Memories are written when all pieces have run."""

    def _pack(self) -> None:
        """Every part of a register has a word of its own."""
        keys = list(self.step.after)
        self.at = {key: (word, 0) for word, key in enumerate(keys)}
        self.used = [WORD] * len(keys)
        self._cut()

    def _cut(self) -> None:
        """`self.pieces`, and which of them read which input, register, memory and value of another piece."""
        function = self.step
        assert function.emitter is not None
        lines = self._with_actions(function)
        size = max(SMALLEST, -(-len(lines) // MOST_PIECES))
        self.pieces = [Piece() for _ in range(0, len(lines), size)]
        home: dict[str, int] = {}
        for number, line in enumerate(lines):
            piece = self.pieces[number // size]
            piece.lines.append(line.text)
            piece.uses |= line.uses
            for kind, name in line.defines:
                piece.defines[name] = kind
                home[name] = number // size
        loaded = {name: key for key, name in function.inputs.items()}
        held = {name: key for key, name in function.registers.items()}
        self.crossing: dict[str, tuple[str, int, set[int]]] = {}
        """Type, number and readers of each value that crosses pieces."""
        self.readers: dict[tuple[Net, int], set[int]] = {}
        """Pieces that read a part of a register."""
        self.listeners: dict[tuple[Net, int], set[int]] = {}
        """Pieces that read a part of an input."""
        self.memory_readers: dict[int, set[int]] = {}
        for p, piece in enumerate(self.pieces):
            for name in sorted(piece.uses):
                if name in home:
                    if home[name] != p:
                        kind = self.pieces[home[name]].defines[name]
                        self.crossing.setdefault(name, (kind, len(self.crossing), set()))[2].add(p)
                elif name in held:
                    self.readers.setdefault(held[name], set()).add(p)
                elif name in loaded:
                    self.listeners.setdefault(loaded[name], set()).add(p)
            for number in range(len(self.netlist.memories)):
                if any(f"M({number})" in text or f"W_({number}," in text for text in piece.lines):
                    self.memory_readers.setdefault(number, set()).add(p)

    def _with_actions(self, function: Function) -> list[Line]:
        """The emitter's lines, each value's action right behind the line that computes it."""
        assert function.emitter is not None
        actions: dict[str, list[tuple[frozenset[str], str]]] = {}
        first: list[tuple[frozenset[str], str]] = []
        lines = function.emitter.lines
        home = {name: number for number, line in enumerate(lines) for _, name in line.defines}

        def act(values: list[str], text: str) -> None:
            known = [value for value in values if value in home]
            last = max(known, key=lambda value: home[value], default=None)
            uses = frozenset(value for value in values if value not in ("ONE", "ZERO"))
            (first if last is None else actions.setdefault(last, [])).append((uses, text))

        for export in function.exports:
            value = function.values[export]
            act([value], f"X_({self._export_number(export)},{_as_vector(export.net.parts[export.part][1], value)});")
        for key, value in function.after.items():
            act([value], f"R_({self.step_word(key)},{_as_vector(key[0].parts[key[1]][1], value)});")
        for port, (number, address, data, enables) in enumerate(function.writes):
            names = [address, *data, *enables]
            text = "".join(f"W_({number},{port},{i},{name});" for i, name in enumerate(names))
            act(names, text)
        for value, text in function.rules:
            act([value], f"A_({value},{text_of(text)});")
        out = [Line((), uses, text) for uses, text in first]
        for line in lines:
            out.append(line)
            for _, name in line.defines:
                out += [Line((), uses, text) for uses, text in actions.get(name, [])]
        return out

    def step_word(self, key: tuple[Net, int]) -> int:
        return self.at[key][0]

    def _export_number(self, export: Export) -> int:
        return self.step.exports.index(export)

    # ---- text

    def piece_text(self, number: int) -> str:
        """`static void pieceN()`."""
        piece, function = self.pieces[number], self.step
        out = [f"static void piece{number}(){{"]
        out += self._loads(piece, function)
        for text in piece.lines:
            out.append(text)
        for name in piece.defines:
            if name in self.crossing:
                kind, index, readers = self.crossing[name]
                marks = "".join(f"flags[FIRST+{p}]=1;" for p in sorted(readers))
                store = "K_" if kind == "V" else "KB_"
                out.append(f"if({store}({index},{name})){{{marks}}}")
        out.append("}")
        return "\n".join(out)

    def _loads(self, piece: Piece, function: Function) -> list[str]:
        out = []
        inputs = {name: key for key, name in function.inputs.items()}
        registers = {name: key for key, name in function.registers.items()}
        for name in sorted(piece.uses - set(piece.defines)):
            if name in inputs:
                out.append(self.input_text(name, *inputs[name]))
            elif name in registers:
                out.append(self.register_text(name, registers[name]))
            else:
                kind, index, _ = self.crossing[name]
                out.append(f"const {kind} {name}={'kept' if kind == 'V' else 'keptb'}[{index}];")
        return out

    def input_text(self, name: str, net: Net, part: int) -> str:
        """Declaration of an input: one arena word, or the words of all lanes."""
        entry = self.layout.inputs[self.module, net.name, part]
        word = f"ld(arena+{entry.broadcast if entry.broadcast is not None else entry.offsets[0]})"
        kind = "B" if entry.bits == 1 else "V"
        return f"const {kind} {name}={shift_and_mask(word, entry.shift, entry.mask, entry.bits)};"

    def register_text(self, name: str, key: tuple[Net, int]) -> str:
        """Declaration of a register's value in this cycle."""
        bits = key[0].parts[key[1]][1]
        word = f"ld(state+{self.at[key][0] * self.place.lanes})"
        return f"const {'B' if bits == 1 else 'V'} {name}={f'bitm({word},0)' if bits == 1 else word};"


def _as_vector(bits: int, value: str) -> str:
    return f"sel({value},1u)" if bits == 1 else value
