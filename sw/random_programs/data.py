"""Parts of random programs: element bits, access patterns, and changes to the queues that change no result."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from makalu.sim_models.golden.formats import narrow
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.engines import Channel
from makalu.spec.formats import Format, FormatKind
from makalu.spec.isa import FIELDS, Opcode, Queue, SignalKind, WaitKind

from ..compile.compiler import Queues

__all__ = ["RandomPatterns", "decorated", "random_bits"]

SPECIAL_SHARE = 1 / 1024
INTEGER_SPREAD = 50


def random_bits(random: np.random.Generator, form: Format, count: int) -> NDArray[np.unsignedinteger]:
    """Mostly small numbers, so that sums stay finite, and a few of every special class."""
    spread = INTEGER_SPREAD if form.kind is FormatKind.INTEGER else 1
    bits = narrow(form, (spread * random.normal(size=count)).astype(np.float32).view(np.uint32))
    special = random.random(count) < SPECIAL_SHARE
    bits[special] = random.choice(np.array(_specials(form), bits.dtype), int(special.sum()))
    return bits


def _specials(form: Format) -> tuple[int, ...]:
    """Both zeros, smallest and largest subnormal, largest number, both infinities, NaN."""
    sign, subnormal = 1 << form.bits - 1, (1 << form.fraction_bits) - 1
    infinities = (form.infinity, sign | form.infinity) if form.has_infinity else ()
    nans = (form.canonical_nan,) if form.has_nan else ()
    return tuple(e << form.padding for e in (0, sign, 1, sign | subnormal, form.largest, *infinities, *nans))


def decorated(queues: Queues, config: CoreConfig, random: np.random.Generator) -> Queues:
    """Nops, `after`, signals of free semaphores and waits that always hold, none of which changes the result."""
    free = range(len(Channel), config.sequencer.semaphores)

    def one(instruction: Instruction) -> Instruction:
        extra: dict[str, int] = {}
        if random.random() < 1 / 16:
            extra["after"] = 1
        if random.random() < 1 / 8:
            extra |= {"signal1_kind": int(SignalKind.INCREMENT), "signal1_semaphore": int(random.choice(free))}
        if random.random() < 1 / 8 and not instruction["wait1_kind"]:
            extra |= {"wait1_kind": int(WaitKind.REACHED), "wait1_semaphore": int(random.choice(free))}
        return replace(instruction, values={**instruction.values, **extra})

    out: Queues = {queue: [] for queue in Queue}
    for queue, stream in queues.items():
        for instruction in stream:
            if random.random() < 1 / 16:
                out[queue].append(one(Instruction(Opcode.NOP, {"tag": int(random.integers(FIELDS["tag"].high + 1))})))
            out[queue].append(one(instruction))
    return out


class RandomPatterns:
    """Sizes and strides of views, of at most `elements` elements a dimension."""

    def __init__(self, random: np.random.Generator, elements: int) -> None:
        self._random, self._elements = random, elements

    def integer(self, low: int, high: int) -> int:
        """Uniform in low..high, both included."""
        return int(self._random.integers(low, high + 1))

    def sizes(self, limit: int) -> tuple[int, ...]:
        """One to five free dimensions with a product of at most `limit`."""
        sizes: list[int] = []
        for _ in range(self.integer(1, 3) if self._random.random() < 7 / 8 else self.integer(4, 5)):
            sizes.append(self.integer(1, max(1, min(limit, self._elements))))
            limit //= sizes[-1]
        self._random.shuffle(sizes)
        return tuple(sizes)

    def strides(self, sizes: tuple[int, ...], limit: int, *, overlapping: bool) -> tuple[tuple[int, ...], int]:
        """Strides (outermost first) within `limit` elements, and the offset; elements differ unless `overlapping`."""
        strides: list[int] = []
        span = 1
        left = int(np.prod(sizes))
        for size in reversed(sizes):
            left //= size
            # room that the dimensions outside of this one still need when they are packed
            spare = max(1, limit // left // max(1, span * size))
            stride = span * (self.integer(1, min(4, spare)) if self._random.random() < 1 / 2 else 1)
            if overlapping and self._random.random() < 1 / 8:
                stride = 0
            if stride * (size - 1) + span > limit // left:
                stride = span
            span += stride * (size - 1)
            strides.append(-stride if self._random.random() < 1 / 8 else stride)
        low = sum(min(0, stride * (size - 1)) for size, stride in zip(reversed(sizes), strides, strict=True))
        return tuple(reversed(strides)), self.integer(0, limit - span) - low
