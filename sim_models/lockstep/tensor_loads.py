"""Lockstep model of what follows from a load of a stationary tile in the tensor engine's head, and when."""

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.frame import SLOTS
from makalu.spec.isa import Opcode
from makalu.spec.latency import LOAD_LEAD
from makalu.spec.loading import group_cycle, groups_of_a_word, load_span, word_cycle
from makalu.spec.scales import load_lead
from makalu.spec.sparsity import TAGS, tag_lead
from makalu.spec.tensor_modes import MODES, Mode

from ..golden.operand import operand
from .scales import ScaleReads
from .tensor_control import Group, Read

__all__ = ["LoadTimes"]


class LoadTimes:
    """Reads of words and tags, and groups at the edge, by the cycle in which they are seen; a transpose loads too."""

    def __init__(self, config: CoreConfig, scales: ScaleReads | None) -> None:
        self.config, self._scales = config, scales
        self.reads: dict[int, Read] = {}
        self.groups: dict[int, Group] = {}
        self.last_group = -1
        """In which cycle the last group of the last load is at the edge."""
        self.first_group = 0
        """Of the last sparse load. A swap follows it, however soon its words come."""

    def accept(self, a: int, load: Instruction) -> None:
        """In cycle a."""
        tensor, word = self.config.tensor, self.config.sbuf.word_bytes
        source = operand(load, "src0", count=load["partitions"])
        sparse, transposes = load.opcode == Opcode.LOAD_SPARSE, load.opcode == Opcode.TRANSPOSE
        column = load["dst_partition" if transposes else "column"]
        mode = MODES[Mode.SPARSE if sparse else Mode(load["mode"])]
        part, ratio = (0, load["ratio"]) if sparse else (load["part"], 0)
        if mode.scaled:
            assert self._scales is not None
            self.reads |= self._scales.load(a, load)
            a += load_lead(self.config)
        if sparse:
            self.reads |= self._tags(a, load)
            a += tag_lead(self.config)
            self.first_group = a + LOAD_LEAD
        rows = mode.rows
        groups, inside = -(-load["src0_size0"] // tensor.load_columns), groups_of_a_word(source.format)
        for i in range(-(-groups // inside) * rows):
            cycle = word_cycle(source.format, i, rows, sparse=sparse)
            place = source.offset + i % rows * load["src0_stride3"]  # of more rows the elements have a byte
            # a word is in the buffer of its slot's number
            where = Read(0, place // word + i // rows, cycle % SLOTS, source.partition, source.count)
            self.reads[a + 1 + cycle] = where
        for g in range(groups):
            buffer = word_cycle(source.format, g // inside * rows, rows, sparse=sparse) % SLOTS
            place = g % inside << source.format.size_log2 - tensor.smallest
            number = g if tensor.sparse else 0
            tag = column // tensor.load_columns + g
            kind = source.format.code, part, int(rows > 1), ratio
            here = Group(buffer, place, tag, *kind, number, load["exponent_offset"], load["apart"])
            self.groups[a + LOAD_LEAD + group_cycle(source.format, g, sparse=sparse)] = here
            if mode.scaled and self._scales is not None:
                self._scales.group(a + LOAD_LEAD + group_cycle(source.format, g), g)
        if self._scales is not None:
            self._scales.loading = max(self.reads)
        self.last_group = a + LOAD_LEAD + load_span(source.format, groups, sparse=sparse) - 1

    def forget(self, t: int) -> None:
        """Cycle t is over."""
        self.reads.pop(t, None)
        self.groups.pop(t, None)

    def _tags(self, a: int, load: Instruction) -> dict[int, Read]:
        """Reads of the tags of a load that is accepted in cycle a."""
        word, start, count = self.config.sbuf.word_bytes, load["src1_partition"], load["partitions"]
        inside, units = word // TAGS.bytes, load["src1_size0"]
        reads = {}
        for u in range(-(-units // inside)):
            here = {"tags": 1, "ratio": load["ratio"], "units": min(inside, units - u * inside)}
            reads[a + 1 + SLOTS * u] = Read(0, load["src1_offset"] // word + u, u, start, count, **here)
        return reads
