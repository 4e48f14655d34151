"""The memory contract `fixed`: when the memory behind the core's AXI4 ports moves which beat. And its parameters.

One byte array of `size_bytes` is behind two ports: *data* (AXI4, read and write) and *instructions* (AXI4, read only).
A beat is the whole width of its port (B bytes): beat k of a burst from `addr` is the aligned word
`(addr & ~(B - 1)) + k * B`. Bursts of one channel are served in order, whatever their ID; the ID comes back.

"In cycle t" is what ports and registers show between edge t - 1 and edge t; cycle 0 is the first with `rst` low. While
`rst` is high every ready and valid is low and all state is as in cycle 0: nothing open, tokens full. All of the
following reads *registered* state of cycle t, but for W, whose `ready` looks at its `valid`.

Reads (both ports)
  ar_ready(t)  = bursts accepted before t whose last R beat was not transferred before t  <  outstanding
  head         = oldest such burst; its k-th beat is next; `born` = cycle of its AR handshake
  want_r(t)    = there is a head and no beat is held, and t >= born + 1 + latency   (k > 0: no further wait)
  r_valid(t)   = held(t) or (want_r(t) and the data port's tokens grant it; the instruction port needs none)
  A beat that is offered and not taken is held: valid, data, resp, last and id stay until ready.
  After the transfer in t the next beat may be offered in t + 1. Data is that of the array in the beat's first cycle of
  r_valid: it holds all W beats transferred in cycles before that one.

Writes (data port)
  aw_ready(t)  = bursts accepted before t whose B was not transferred before t  <  outstanding
  want_w(t)    = w_valid(t) and a burst accepted before t has not had all its W beats
  w_ready(t)   = want_w(t) and the tokens grant it       (W never goes ahead of its AW, nor in the same cycle)
  b_valid(t)   = oldest burst with all W beats has t >= (cycle of its last W transfer) + 1 + latency, until b_ready

Tokens (data port), in units of 1/denominator byte; a beat costs C = B * denominator; T(0) = CAP_BEATS * C
  fits(n)      = T(t) >= n * C
  both want:   fits(2): both are granted; fits(1): the side that did not have the last beat alone is granted
  one wants:   granted if fits(1)
  T(t + 1)     = min(T(t) - C * granted(t) + numerator, CAP_BEATS * C)
  "The last beat" is a bit: set by a cycle that grants only W, cleared by one that grants only R, else unchanged; it is
  set in cycle 0, so R goes first. R is charged in the cycle in which the beat is offered first, W in its transfer.

Errors: a beat of which any byte is outside the array reads 0 with SLVERR and is not written; a burst that is not INCR
or not of full width has SLVERR in every beat and writes nothing; B is SLVERR when any beat of the burst had one.

The contract `recorded` is any memory at all: its handshakes, one log line each, `LOG_FIELDS`, are replayed by a model.
Random stalls (`StallProbabilities`) hold `ready` low, or keep a beat from being offered, in random cycles.

Does not: narrow or WRAP bursts, reordering, exclusive access.
"""

from dataclasses import asdict, dataclass
from fractions import Fraction

from makalu.spec.config import MemoryConfig
from makalu.spec.config_rules import RATE_LIMIT

__all__ = [
    "CAP_BEATS",
    "DEFAULT_LATENCY",
    "LOG_FIELDS",
    "MAX_OUTSTANDING",
    "NO_STALLS",
    "STALL_UNIT",
    "MemoryTiming",
    "StallProbabilities",
]

CAP_BEATS = 2
"""Beats that unused bandwidth is kept for."""

DEFAULT_LATENCY = 100
"""Cycles; choice."""

STALL_UNIT = 256
"""Stall probabilities count in 1/256."""

LOG_FIELDS: tuple[str, ...] = ("cycle", "channel", "id", "addr", "len", "last")
"""One line a handshake, decimal but for `addr` (hex): channel is aw, w, b, ar, r, iar or ir; 0 for a field it lacks."""

MAX_OUTSTANDING = 256
"""Bursts of one channel that the memory model can hold."""


@dataclass(frozen=True, kw_only=True)
class MemoryTiming:
    """Parameters of the contract `fixed`; `numerator / denominator`: bytes a cycle of the data port, R plus W."""

    latency: int = DEFAULT_LATENCY
    numerator: int
    denominator: int = 1
    outstanding_reads: int = 64
    outstanding_writes: int = 64
    outstanding_instructions: int = 16

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            low = 0 if name == "latency" else 1
            high = MAX_OUTSTANDING if name.startswith("outstanding") else RATE_LIMIT
            if not low <= value <= high:
                raise ValueError(f"MemoryTiming {name} must be from {low} to {high}, not {value!r}")

    @classmethod
    def of(cls, memory: MemoryConfig, *, latency: int = DEFAULT_LATENCY) -> "MemoryTiming":
        """The preset's bytes a cycle behind a latency."""
        rate: Fraction = memory.rate
        return cls(latency=latency, numerator=rate.numerator, denominator=rate.denominator)


@dataclass(frozen=True, kw_only=True)
class StallProbabilities:
    """Chance in 1/256 that a channel does not move in a cycle; `seed` of the generator."""

    aw: int = 0
    w: int = 0
    b: int = 0
    ar: int = 0
    r: int = 0
    iar: int = 0
    ir: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name != "seed" and not 0 <= value < STALL_UNIT:
                raise ValueError(f"StallProbabilities {name} must be from 0 to {STALL_UNIT - 1}, not {value!r}")


NO_STALLS = StallProbabilities()
