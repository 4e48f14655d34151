"""The semaphores: all increments of a cycle are summed and visible in the next."""

from amaranth.hdl import Array, Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.rules import Rules
from makalu.hw.sequencer.finish import SIGNAL
from makalu.spec.config import CoreConfig
from makalu.spec.isa import FIELDS, SEMAPHORE_BITS, WaitKind

__all__ = ["COUNTER_BITS", "WAIT", "Semaphores"]

COUNTER_BITS = SEMAPHORE_BITS
_VALUE = FIELDS["wait0_value"].bits
WAIT = data.StructLayout(
    {"kind": FIELDS["wait0_kind"].bits, "semaphore": FIELDS["wait0_semaphore"].bits, "value": _VALUE}
)


class Semaphores(wiring.Component):
    """values[s] += number of signals with semaphore s; met[w] = (values[s_w] - value_w) mod 2^16 < 2^15.

    Does not: check indices; instructions with one beyond the count are refused before they signal (asserted).

    Parameters
    ----------
    config : CoreConfig
        `sequencer.semaphores` counters.
    waits, signals : int
        Ports of each kind.

    Members
    -------
    clear : In(1)
        All counters become 0; increments of this cycle are lost.
    wait, met : In(ArrayLayout(WAIT, waits)), Out(waits)
        `met` is 1 for kind NONE.
    signal : In(ArrayLayout(SIGNAL, signals))
    update : Out(ArrayLayout(bits, semaphores))
        Increments of this cycle.
    values : Out(ArrayLayout(32, semaphores))

    Timing: met is combinational on the counters; an increment in cycle t shows in values and met in t + 1.
    """

    def __init__(self, *, config: CoreConfig, waits: int, signals: int):
        self._count = config.sequencer.semaphores
        self._waits = waits
        self._signals = signals
        super().__init__(
            {
                "clear": In(1),
                "wait": In(data.ArrayLayout(WAIT, waits)),
                "met": Out(waits),
                "signal": In(data.ArrayLayout(SIGNAL, signals)),
                "update": Out(data.ArrayLayout(signals.bit_length(), self._count)),
                "values": Out(data.ArrayLayout(COUNTER_BITS, self._count)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        low = Array(self.values[s][:_VALUE] for s in range(self._count))
        for w in range(self._waits):
            wait = self.wait[w]
            ahead = Signal(_VALUE, name=f"ahead{w}")
            m.d.comb += [
                ahead.eq(low[wait.semaphore] - wait.value),
                self.met[w].eq((wait.kind == WaitKind.NONE) | ~ahead[-1]),
            ]
        for s in range(self._count):
            hits = Signal(self._signals, name=f"hits{s}")
            m.d.comb += [
                hits.eq(Cat(self.signal[n].valid & (self.signal[n].semaphore == s) for n in range(self._signals))),
                self.update[s].eq(sum(hits[n] for n in range(self._signals))),
            ]
            m.d.sync += self.values[s].eq(self.values[s] + self.update[s])
        with m.If(self.clear):
            m.d.sync += self.values.as_value().eq(0)

        rules = Rules(m, platform)
        beyond = [self.signal[n].valid & (self.signal[n].semaphore >= self._count) for n in range(self._signals)]
        rules.never(Cat(beyond), "only a semaphore that there is is signalled")
        signals = Cat(self.signal[n].valid for n in range(self._signals))
        rules.never(self.clear & signals.any(), "nothing is signalled while the semaphores are cleared")
        return m
