"""`verif/mutants/<block>.yaml`: what is mutated of a block, which bench judges it, and the reviewed survivors.

An entry of `survivors` names a place and says why a mutant there lives: `kind: equivalent`, no stimulus of the bench's
configuration can tell it from the original, or `kind: alive`, one could. A field that an entry leaves out matches
everything, and cells' numbers are no field, so an entry outlives edits elsewhere; one place has several mutants, and a
reason must hold for all of them that live, in any list of mutants. One that is killed is killed, whatever an entry
says.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from makalu.spec.errors import MakaluError
from makalu.spec.isa import FIELDS, INSTRUCTION_BYTES, Queue
from makalu.spec.preset import load_preset
from makalu.spec.sequencer import queue_bits
from makalu.sw.rtl.mutants import Mutant

__all__ = ["ALIVE", "EQUIVALENT", "PRESET", "Entry", "MutatedBlock", "ReviewError", "entry_of", "load_blocks"]

PRESET = "tiny"
"""What most of the blocks are configured as."""
EQUIVALENT, ALIVE = "equivalent", "alive"
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


class ReviewError(MakaluError, ValueError):
    """A file of a block is not as it must be, or there is no such block."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A place with survivors; see `Mutant` for the fields."""

    kind: str
    reason: str
    part: str
    """May have * for anything, as `wire`, `mode` and `port`."""
    wire: str | None = None
    """A signal of the description; "" where the bit is in none."""
    bits: str | None = None
    """As 3 or 0-3 or 0-3,7: of the wire, of the port where there is no wire; `unused tensor`: those of an instruction
    that none of the queue uses.
    """
    mode: str | None = None
    control: str | None = None
    """As `bits`: of the port, the other bit of `cnot0` and `cnot1`."""
    port: str | None = None
    """With an instance's name in front, as the report has it: `Q`, `adder.i`."""
    line: str | None = None
    """A piece of the text of one of the lines that made the cell."""

    def __str__(self) -> str:
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("reason", "kind")}
        return ", ".join(f"{name} {value}" for name, value in given.items() if value is not None)

    def matches(self, mutant: Mutant) -> bool:
        port = f"{mutant.cell}.{mutant.port}" if mutant.cell else mutant.port
        return (
            fnmatchcase(mutant.part, self.part)
            and (self.wire is None or fnmatchcase(mutant.wire, self.wire))
            and (self.mode is None or fnmatchcase(mutant.mode, self.mode))
            and (self.control is None or mutant.control in _bits(self.control))
            and (self.port is None or fnmatchcase(port, self.port))
            and (self.line is None or any(self.line in line for line in mutant.lines))
            and (self.bits is None or (mutant.wire_bit if mutant.wire else mutant.bit) in _bits(self.bits))
        )


@dataclass(frozen=True, kw_only=True)
class MutatedBlock:
    """`case` of the bench `bench`; `parts` as `mutated` takes them."""

    name: str
    bench: str
    case: str
    parts: Sequence[str]
    survivors: Sequence[Entry]


def _bits(text: str) -> set[int]:
    found: set[int] = set()
    for each in text.split(","):
        match, (word, _, queue) = _RANGE.fullmatch(each), each.partition(" ")
        if match is not None:
            found |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
        elif word == "unused" and queue.upper() in Queue.__members__:
            used = queue_bits(Queue[queue.upper()], load_preset(PRESET)) | FIELDS["version"].mask
            found |= {bit for bit in range(8 * INSTRUCTION_BYTES) if not used >> bit & 1}
        else:
            raise ReviewError(f'bits must be like 3 or 0-3 or 0-3,7 or unused tensor, not "{text}"')
    return found


def entry_of(block: MutatedBlock, mutant: Mutant) -> Entry | None:
    """The first that matches."""
    return next((entry for entry in block.survivors if entry.matches(mutant)), None)


def load_blocks(folder: Path) -> dict[str, MutatedBlock]:
    """All blocks by name. Errors: `ReviewError`."""
    return {path.stem: _load(path) for path in sorted(folder.glob("*.yaml"))}


def _load(path: Path) -> MutatedBlock:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        survivors = [_entry(each) for each in found.pop("survivors") or ()]
        return MutatedBlock(name=path.stem, survivors=survivors, **found)
    except (AttributeError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise ReviewError(f"{path.name}: {error}") from error


def _entry(given: dict[str, Any]) -> Entry:
    entry = Entry(**{name: str(value) for name, value in given.items()})
    if entry.kind not in (EQUIVALENT, ALIVE) or not entry.reason:
        raise ReviewError(f"kind must be {EQUIVALENT} or {ALIVE}, and a reason be given: {entry}")
    for bits in (entry.bits, entry.control):
        _bits(bits or "0")
    return entry
