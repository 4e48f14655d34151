"""Bytes that a program's instructions read and write in SBUF, PSUM and memory, and published energies for a byte.

Counted from the instructions that the queues execute, which issue on the RTL as they stand; an operand's read or write
is counted once, element by element, whatever words of a memory it takes.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from makalu.sim_models.golden.operand import operand
from makalu.spec.encoding import INSTRUCTION_BYTES, Instruction
from makalu.spec.errors import MakaluError
from makalu.spec.isa import INSTRUCTIONS, Opcode, Space
from makalu.spec.tensor_modes import MODES, Mode
from makalu.sw.compile.program import Program

__all__ = ["MEMORIES", "PUBLISHED", "Moved", "Price", "PriceError", "moved_by", "priced", "prices"]

MEMORIES = ("sbuf", "psum", "hbm")
PUBLISHED: Path = Path(__file__).parent / "published.yaml"
_PLACES = {Space.SBUF: "sbuf", Space.PSUM: "psum"}
_KEYS = {"value", "unit", "node", "source"}


class PriceError(MakaluError, ValueError):
    """A table of energies that is none."""


@dataclass(frozen=True)
class Price:
    """pJ a byte, where it holds and who says so."""

    value: float
    node: str
    source: str


@dataclass(frozen=True)
class Moved:
    """`read` and `written`: bytes by memory."""

    macs: int
    read: Mapping[str, int]
    written: Mapping[str, int]

    def bytes(self, memory: str) -> int:
        """Both directions."""
        return self.read[memory] + self.written[memory]


def prices(path: Path = PUBLISHED) -> dict[str, Price]:
    """Errors: `PriceError`."""
    try:
        rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PriceError(f"{path} cannot be read as YAML") from error
    if not isinstance(rows, dict) or set(rows) != set(MEMORIES):
        raise PriceError(f"{path} must have the rows {', '.join(MEMORIES)} and no other")
    for name, row in rows.items():
        if not isinstance(row, dict) or set(row) != _KEYS or row["unit"] != "pJ/byte":
            raise PriceError(f"{path}: {name} must have value, unit (pJ/byte), node and source")
        if isinstance(row["value"], bool) or not isinstance(row["value"], int | float) or not row["value"] >= 0:
            raise PriceError(f"{path}: {name}'s value must be a number from 0 on, not {row['value']!r}")
    return {name: Price(float(row["value"]), str(row["node"]), str(row["source"])) for name, row in rows.items()}


def moved_by(program: Program) -> Moved:
    """Of all instructions; those themselves are read from memory."""
    read, written, macs = Counter({"hbm": program.instructions * INSTRUCTION_BYTES}), Counter[str](), 0
    for instructions in program.executed().values():
        for instruction in instructions:
            macs += _macs(instruction)
            for slot in INSTRUCTIONS[instruction.opcode].operands:
                _add(instruction, slot, read, written)
    return Moved(macs, read, written)


def _add(instruction: Instruction, slot: str, read: Counter[str], written: Counter[str]) -> None:
    of_sums = slot == "dst" and instruction.opcode is Opcode.MATMUL
    if instruction[f"{slot}_space"] not in _PLACES:  # an operand that this instruction does not use
        return
    count = INSTRUCTIONS[instruction.opcode].operands[slot].count
    pattern = operand(instruction, slot, count=instruction[count])
    place, size = _PLACES[pattern.space], pattern.count * pattern.elements * pattern.format.bytes
    (written if slot == "dst" else read)[place] += size
    if of_sums and instruction["accumulate"]:
        read[place] += size
    if instruction.opcode is Opcode.DMA_LOAD:
        read["hbm"] += size
    if instruction.opcode is Opcode.DMA_STORE:
        written["hbm"] += size


def _macs(instruction: Instruction) -> int:
    """Passes of one matmul count once each, as the array works."""
    if instruction.opcode is not Opcode.MATMUL:
        return 0
    dst = operand(instruction, "dst", count=instruction["columns"])
    return dst.count * dst.elements * instruction["partitions"] * MODES[Mode(instruction["mode"])].products


def priced(moved: Moved, table: Mapping[str, Price]) -> dict[str, float]:
    """pJ a MAC by memory."""
    return {memory: moved.bytes(memory) * table[memory].value / moved.macs for memory in MEMORIES}
