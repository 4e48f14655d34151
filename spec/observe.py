"""The simulation-only port `observe` of the core: which architectural ports it packs, in which order and width.

The port is a concatenation, first field in the lowest bits; a field is `count` equal items, item 0 lowest.
"""

from dataclasses import dataclass

from .chain import CHAIN_BITS
from .config import CoreConfig
from .engines import ACCESS_ENGINES, Channel
from .isa import FIELDS, QUEUES, SEMAPHORE_BITS
from .memory_map import GRANULE_BYTES, PSUM_HALVES, PSUM_WORD_BITS

__all__ = ["LEVELS", "ObservedField", "observe_layout"]

LEVELS = ("none", "trace", "all")


@dataclass(frozen=True)
class ObservedField:
    """A run of the port `observe`: `count` equal items, each a group of members."""

    name: str
    """The block's port that it shows, as in the core's wiring."""
    members: tuple[tuple[str, int], ...]
    """(name, bits) of one item, lowest first."""
    count: int
    """Items: one a queue, channel, semaphore, bank or partition, in the order of their numbers."""

    @property
    def bits(self) -> int:
        """Width of one item; the field has `count` times as many."""
        return sum(bits for _, bits in self.members)


def _bits(values: int) -> int:
    return (values - 1).bit_length()


def observe_layout(config: CoreConfig, level: str) -> tuple[ObservedField, ...]:
    """Fields of the port at a level: `none`, `trace` (issue, finish, any PSUM commit) or `all`."""
    if level not in LEVELS:
        raise ValueError(f"observe must be one of {LEVELS}, not {level!r}")
    if level == "none":
        return ()
    traced = (("valid", 1), ("tag", FIELDS["tag"].bits))
    fields = [
        ObservedField("issue", traced, len(QUEUES)),
        ObservedField("finish", traced, len(Channel)),
        ObservedField("committed", (("valid", 1),), 1),
    ]
    if level == "all":
        sbuf, psum, partitions = config.sbuf, config.psum, config.partitions
        written = (
            ("enable", 1),
            ("address", _bits(sbuf.words)),
            ("granules", sbuf.word_bytes // GRANULE_BYTES),
            ("data", 8 * sbuf.word_bytes),
        )
        commit = (
            ("valid", 1),
            ("address", _bits(psum.banks * psum.bank_elems)),
            ("halves", PSUM_HALVES if config.tensor.halves else 0),
            ("data", PSUM_WORD_BITS),
        )
        fields += [
            ObservedField("semaphores", (("value", SEMAPHORE_BITS),), config.sequencer.semaphores),
            ObservedField("owned", (("bank", 1),), psum.banks),
            ObservedField("columns", (("chain", CHAIN_BITS),), partitions),
            ObservedField("psum", commit, partitions),
            *((ObservedField("psum_moved", commit, partitions),) if config.tensor.background else ()),
            *(ObservedField(f"sbuf_{name}", written, partitions) for name in ACCESS_ENGINES),
            ObservedField("sbuf_dma", written, partitions),
        ]
    return tuple(fields)
