"""Who has port B of a partition's SBUF in which cycle. A fixed schedule: nobody asks, nobody waits for a grant.

The core's counter `frame` runs freely through PHASES cycles, 0 in the first cycle after reset. Partition p, which hears
of everything p * L cycles later than partition 0, has `phase = (frame - p * L) mod PHASES` and
`slot = phase mod SLOTS`. A frame is SLOTS cycles: the tensor engine has slots 0 to 2 of each; the DMA has slot 3, its
loads in one frame and its stores in the next. Why so: docs/decisions/0002.
"""

__all__ = [
    "ACCEPT_SLOT",
    "DMA_SLOT",
    "LOAD_PHASE",
    "MOVING_SLOT",
    "PHASES",
    "PHASE_BITS",
    "SLOTS",
    "SLOT_BITS",
    "STATIONARY_SLOTS",
    "STORE_PHASE",
]

SLOTS = 4
"""Cycles of a frame."""
SLOT_BITS = 2
PHASES = 8
"""Two frames: after so many cycles everything is as it was."""
PHASE_BITS = 3
STATIONARY_SLOTS = 2
"""Slots 0 and 1 read stationary words."""
MOVING_SLOT = 2
"""Reads moving words."""
ACCEPT_SLOT = 3
"""Slot in which a LoadStationary is accepted: its first word is read in the next cycle."""
DMA_SLOT = 3
LOAD_PHASE = DMA_SLOT
"""The DMA writes, or reads to merge, a word from memory."""
STORE_PHASE = SLOTS + DMA_SLOT
"""The DMA reads a word for memory."""
