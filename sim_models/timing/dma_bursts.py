"""The bursts of a DMA descriptor, and what each costs: beats, lines, turns at the SBUF."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from makalu.spec.axi import LONGEST_BURST, PAGE_BYTES
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.formats import FORMAT_OF_CODE
from makalu.spec.isa import AP_DIMS, MEMORY_DIMS
from makalu.spec.memory_map import GRANULE_BYTES

__all__ = ["Moves", "descriptor_bursts"]


@dataclass(frozen=True)
class Moves:
    """A burst's path through the aligner: `prefill` steps give nothing, those beyond `units_in` take nothing."""

    units_in: int
    units_out: int
    prefill: int
    turns: tuple[int, ...]
    """Load: SBUF accesses of each line; a word with a partly written granule takes two."""
    lines: tuple[int, ...]
    """Store: SBUF words of each line."""

    @property
    def steps(self) -> int:
        return self.units_out + self.prefill


def descriptor_bursts(instruction: Instruction, config: CoreConfig, *, load: bool) -> Sequence[tuple[int, Moves]]:
    """(partition, moves) in the order of the walk: dimensions 3, 2, 1, piece of dimension 0, partition, page.

    Addresses count within a page, offsets within a word: descriptors of equal tiles share one list.
    """
    slot = "dst" if load else "src0"
    element = FORMAT_OF_CODE[instruction[f"{slot}_dtype"]].bytes
    beat, word = config.bus.data_bytes, config.sbuf.word_bytes
    page = min(PAGE_BYTES, LONGEST_BURST * beat)
    return _bursts(
        load,
        element,
        (page, config.dma.burst_bytes, beat, word),
        (instruction[f"{slot}_partition"], instruction["partitions"]),
        (instruction["address"] % page, instruction[f"{slot}_offset"] % word),
        tuple(instruction[f"{slot}_size{d}"] for d in range(AP_DIMS)),
        tuple(instruction[f"{slot}_stride{d}"] * element for d in range(AP_DIMS)),
        tuple(instruction[f"memory_stride{d}"] for d in range(MEMORY_DIMS)),
    )


@lru_cache(maxsize=256)
def _bursts(
    load: bool,
    element: int,
    units: tuple[int, int, int, int],
    rows: tuple[int, int],
    start: tuple[int, int],
    sizes: tuple[int, ...],
    strides: tuple[int, ...],
    memory: tuple[int, ...],
) -> tuple[tuple[int, Moves], ...]:
    """`units`: bytes of a page, the longest burst, a beat and a word; `rows`: the first partition, and how many."""
    page, longest, beat, word = units
    first, count = rows
    contiguous = strides[0] == element and memory[0] == element
    out: list[tuple[int, Moves]] = []
    for i3, i2, i1 in product(range(sizes[3]), range(sizes[2]), range(sizes[1])):
        address = start[0] + i3 * memory[3] + i2 * memory[2] + i1 * memory[1]
        offset = start[1] + i3 * strides[3] + i2 * strides[2] + i1 * strides[1]
        remaining = sizes[0] * element
        while remaining:
            piece = min(remaining, longest - address % beat) if contiguous else element
            for p in range(count):
                at = address + p * memory[MEMORY_DIMS - 1]
                head = min(piece, page - at % page)
                out.append((first + p, _moves(load, at % beat, offset % word, head, beat, word)))
                if head < piece:
                    out.append((first + p, _moves(load, 0, (offset + head) % word, piece - head, beat, word)))
            address += piece if contiguous else memory[0]
            offset += piece if contiguous else strides[0]
            remaining -= piece
    return tuple(out)


@lru_cache(maxsize=1 << 16)
def _moves(load: bool, in_memory: int, in_sbuf: int, length: int, beat: int, word: int) -> Moves:
    """`in_memory`, `in_sbuf`: place of the first byte within its beat and its word."""
    place_in, place_out = (in_memory, in_sbuf) if load else (in_sbuf, in_memory)
    units_in, units_out = -(-(place_in + length) // beat), -(-(place_out + length) // beat)
    prefill = int(place_out < place_in and not units_in == units_out == 1)
    end = in_sbuf + length
    bounds = [(max(in_sbuf - at, 0), min(end - at, beat)) for at in range(0, end, beat)]
    return Moves(
        units_in,
        units_out,
        prefill,
        tuple(_turns(low, high, word) for low, high in bounds),
        tuple(-(-high // word) for _, high in bounds),
    )


def _turns(low: int, high: int, word: int) -> int:
    words = -(-high // word)
    ragged = {0} if low % GRANULE_BYTES else set()
    if high % GRANULE_BYTES:
        ragged.add(words - 1)
    return words + len(ragged)
