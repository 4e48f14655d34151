"""Rules between components, said in the RTL: assertions that every simulation looks at and no chip has.

    rules = Rules(m, platform)
    rules.never(self.start & self.valid, "a walker is not started while it walks")

A rule is looked at in each rising edge of the clock, as registers see its values, and not during reset. One that is
broken ends the simulation with its text, its instance and the time. docs/assertions.md says how each simulator tells.

Amaranth's simulator always has them; emitted text has them with `Emission(assertions=True)`, which everything that
simulates asks for. Without it a component has not one signal more.
"""

from typing import Any

from amaranth.hdl import Assert, Const, Module, ResetSignal, Signal, Value, ValueLike

__all__ = ["Rules"]


class Rules:
    """The rules of one component, in domain `sync` of its module `m`. Texts say what holds, without quotes.

    Does not: change what the component does; look at anything between two edges.
    """

    def __init__(self, m: Module, platform: Any) -> None:
        self._m, self._on = m, getattr(platform, "assertions", True)

    def always(self, holds: ValueLike, text: str) -> None:
        """One bit that is 1 in every cycle."""
        if self._on:
            self._m.d.sync += Assert(ResetSignal() | Value.cast(holds).any(), text)

    def never(self, broken: ValueLike, text: str) -> None:
        """Bits that are 0 in every cycle."""
        self.always(~Value.cast(broken).any(), text)

    def follows(self, cause: ValueLike, effect: ValueLike, text: str) -> None:
        """In every cycle with `cause` (any bit) there is `effect` (any bit)."""
        self.always(~Value.cast(cause).any() | Value.cast(effect).any(), text)

    def one_at_most(self, bits: ValueLike, text: str) -> None:
        """Of these bits at most one is 1 in a cycle."""
        value = Value.cast(bits)
        self.never(value & (value - 1)[: len(value)], text)

    def stays(self, valid: ValueLike, ready: ValueLike, payload: ValueLike, text: str) -> None:
        """The rule of a stream: once `valid` it stays, with the same `payload`, until `ready` (a bit each)."""
        self.keeps(Value.cast(valid).any() & ~Value.cast(ready).any(), payload, text, and_has=valid)

    def keeps(self, waits: ValueLike, value: ValueLike, text: str, *, and_has: ValueLike = 1) -> None:
        """In the cycle after one with `waits` (a bit) `value` is what it was, and `and_has` is 1."""
        if not self._on:
            return
        value = Value.cast(value)
        waited = Signal(name="rule_waited")
        kept = Signal(len(value), name="rule_kept", reset_less=True)
        self._m.d.sync += waited.eq(waits)
        with self._m.If(waits):  # not in every cycle: what moves costs a simulator time
            self._m.d.sync += kept.eq(value)
        self.follows(waited, (kept == value) & Value.cast(and_has).any(), text)

    def before(self, value: ValueLike, *, reset_less: bool = True) -> Value:
        """What `value` was in the cycle before; for rules only, so it is 0 where there are none."""
        value = Value.cast(value)
        if not self._on:
            return Const(0, len(value))
        kept = Signal(len(value), name="rule_before", reset_less=reset_less)
        self._m.d.sync += kept.eq(value)
        return kept
