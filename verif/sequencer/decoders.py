"""The decoders of all queues side by side, each with an instruction of its own: the assembly of `test_decoders.py`."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.sequencer.decode import CODE_BITS, Decoder
from makalu.spec.config import CoreConfig
from makalu.spec.isa import INSTRUCTION_BYTES, QUEUES

__all__ = ["Decoders"]


class Decoders(wiring.Component):
    """For each queue `word_<queue>` in, `code_<queue>` out: an instruction is always there, and always has room.

    The word stays for DECODE_PERIOD cycles from the one in which `push` is high on; `code` is its verdict in the cycle
    after the next `push`.
    """

    def __init__(self, *, config: CoreConfig):
        self._config = config
        words = {f"word_{q.name.lower()}": In(8 * INSTRUCTION_BYTES) for q in QUEUES}
        codes = {f"code_{q.name.lower()}": Out(CODE_BITS) for q in QUEUES}
        super().__init__(words | codes | {"push": Out(1)})

    @property
    def emit_key(self) -> tuple[str]:
        return (self._config.digest,)

    def elaborate(self, platform):
        m = Module()
        for queue in QUEUES:
            name = queue.name.lower()
            m.submodules[name] = decoder = Decoder(config=self._config, queue=queue)
            m.d.comb += [
                decoder.available.eq(1),
                decoder.room.eq(1),
                decoder.word.eq(getattr(self, f"word_{name}")),
                getattr(self, f"code_{name}").eq(decoder.code),
            ]
        m.d.comb += self.push.eq(m.submodules[QUEUES[0].name.lower()].push)
        return m
