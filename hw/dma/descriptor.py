"""The queue of descriptors of one channel: from the accepted instruction until its finish."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from makalu.hw.dma.layouts import descriptor, slot_bits, start
from makalu.hw.lib.element import SIZE_BITS, element_size
from makalu.hw.lib.instruction import INSTRUCTION
from makalu.hw.lib.rules import Rules
from makalu.spec.config import CoreConfig
from makalu.spec.isa import AP_DIMS, MEMORY_DIMS, Opcode, Space

__all__ = ["DescriptorQueue"]


class DescriptorQueue(wiring.Component):
    """start[r](k) = descriptor(command k), for every reader r, in order.

    Does not: check; the sequencer did (asserted).

    Parameters
    ----------
    config
        The core; `dma.queue` places.
    operand
        `dst` (load) or `src0` (store): the instruction's SBUF operand.
    readers
        Walkers that each see every descriptor.

    Members
    -------
    command: In(stream.Signature(INSTRUCTION))
        A place is taken from here to `finish`.
    starts: Out(stream.Signature(start)) a reader
    finish: In(1)
        The oldest descriptor is done.
    stopped: In(1)
        Nothing more is accepted.
    oldest: Out(slot)
        Place of the oldest descriptor that is not done.
    active: Out(1)
        There is one.

    Timing
    ------
    Accepted in t: offered to the readers from t + 1 on. A place that is freed in t can be taken in t + 1.
    """

    def __init__(self, *, config: CoreConfig, operand: str, readers: int) -> None:
        self.config, self.operand, self.readers = config, operand, readers
        super().__init__(
            {
                "command": In(stream.Signature(INSTRUCTION)),
                "starts": Out(stream.Signature(start(config))).array(readers),
                "finish": In(1),
                "stopped": In(1),
                "oldest": Out(slot_bits(config)),
                "active": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        depth = self.config.dma.queue
        m.submodules.places = places = memory.Memory(shape=descriptor(self.config), depth=depth, init=[])
        write = places.write_port()
        tail = Signal(slot_bits(self.config))
        held = Signal(bits_for(depth))
        accept = Signal()
        m.d.comb += [
            self.command.ready.eq((held != depth) & ~self.stopped),
            accept.eq(self.command.valid & self.command.ready),
            write.en.eq(accept),
            write.addr.eq(tail),
            self.active.eq(held.any()),
        ]
        m.d.sync += [
            tail.eq(tail + accept),
            held.eq(held + accept - self.finish),
            self.oldest.eq(self.oldest + self.finish),
        ]
        self._translate(m, write.data)
        rules = Rules(m, platform)
        for r, port in enumerate(self.starts):
            read = places.read_port(domain="comb")
            place = Signal(slot_bits(self.config), name=f"place{r}")
            waiting = Signal(bits_for(depth), name=f"waiting{r}")
            taken = Signal(name=f"taken{r}")
            m.d.comb += [
                read.addr.eq(place),
                port.valid.eq(waiting.any()),
                port.payload.descriptor.eq(read.data),
                port.payload.slot.eq(place),
                taken.eq(port.valid & port.ready),
            ]
            m.d.sync += [place.eq(place + taken), waiting.eq(waiting + accept - taken)]
            rules.always(waiting <= held, "a reader waits for no more descriptors than there are")
            rules.stays(port.valid, port.ready, port.payload, "a descriptor stays until its reader takes it")
        rules.never(self.finish & ~self.active, "only a descriptor that is there is done")
        rules.always(held <= depth, "the queue holds no more descriptors than it has places")
        self._checked(rules, accept)
        return m

    def _checked(self, rules: Rules, accept: Signal) -> None:
        """What the sequencer has refused."""
        word, slot = self.command.payload, self.operand
        opcode = Opcode.DMA_LOAD if slot == "dst" else Opcode.DMA_STORE
        rules.follows(accept, word.opcode == opcode, "a channel gets its own instruction only")
        sizes = [word[f"{slot}_size{d}"] for d in range(AP_DIMS)]
        rules.never(accept & Cat(size == 0 for size in sizes).any(), "the sizes of a transfer are 1 and more")
        last = word[f"{slot}_partition"] + word.partitions
        rules.follows(
            accept,
            (word.partitions != 0) & (last <= self.config.partitions),
            "a transfer has partitions that there are",
        )
        rules.follows(accept, word[f"{slot}_space"] == Space.SBUF, "a transfer is to or from SBUF")
        rules.never(accept & word.address[self.config.bus.address_bits :].any(), "a transfer's address fits the bus")

    def _translate(self, m: Module, out: Any) -> None:
        word, slot = self.command.payload, self.operand
        size = Signal(SIZE_BITS)
        sizes = [word[f"{slot}_size{d}"] for d in range(AP_DIMS)]
        strides = [word[f"{slot}_stride{d}"] for d in range(AP_DIMS)]
        m.d.comb += [
            size.eq(element_size(word[f"{slot}_dtype"])),
            out.address.eq(word.address),
            out.offset.eq(word[f"{slot}_offset"]),
            out.partition.eq(word[f"{slot}_partition"]),
            out.last_partition.eq(word.partitions - 1),
            out.row.eq(sizes[0] << size),
            out.size.eq(size),
            out.contiguous.eq((strides[0] == 1) & (word.memory_stride0 == 1 << size)),
        ]
        for d in range(AP_DIMS):
            m.d.comb += [
                out.lasts[d].eq(sizes[d] - 1),
                out.strides[d].eq(strides[d] << size),
            ]
        for d in range(MEMORY_DIMS):
            m.d.comb += out.memory_strides[d].eq(word[f"memory_stride{d}"])
