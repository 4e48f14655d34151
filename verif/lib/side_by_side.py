"""The step of every bench: drive, settle, compare every output with the model, clock both."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

from amaranth.lib import wiring
from amaranth.lib.wiring import Flow
from cocotb.triggers import RisingEdge

from makalu.spec.encoding import Instruction, encode
from verif.lib.compare import after, compare
from verif.lib.pack import pack
from verif.lib.sampling import drive, known, reset, start_clock, with_unknown

__all__ = ["SideBySide", "stream", "with_memory"]


_OFFERED: dict[str, tuple[Instruction | None, int]] = {}
"""By stream: an instruction that waits is encoded once."""


def stream(name: str, instruction: Instruction | None) -> dict[str, int]:
    """The inputs of a command stream that offers `instruction`."""
    known, payload = _OFFERED.get(name, (None, 0))
    if known is not instruction:
        payload = 0 if instruction is None else int.from_bytes(encode(instruction), "little")
        _OFFERED[name] = instruction, payload
    return {f"{name}__valid": int(instruction is not None), f"{name}__payload": payload}


def with_memory(new: Any, old: Any) -> Any:
    """`new`, a model of a memory, with what `old` holds: a reset clears registers only."""
    for name in ("memory", "known", "defined"):
        if hasattr(old, name):
            setattr(new, name, getattr(old, name))
    return new


class SideBySide:
    """`dut`, which is `component`, beside `model`: `out = comb(inputs)`, then `tick(inputs, out)`, each cycle.

    Both see the same inputs from the reset on. `out` has every output that is compared: in the form that
    `verif.lib.pack` takes, as `Known`, or None where it means nothing.

    A bench says what it drives (`idle`), how a new model takes over the memories of an old one at a reset (`renewed`),
    and counts what happened (`count`) in `seen`. It sets `undefined` to () when everything shows something.
    """

    unreset: Collection[str] = ()
    """Outputs that a reset leaves undefined: not compared from there on."""

    def __init__(
        self,
        dut: Any,
        component: wiring.Component,
        model: Any,
        *,
        name: str,
        whole: Collection[str] = (),
        shown: Mapping[str, Callable[[int], int]] | None = None,
    ) -> None:
        self.dut, self.model, self.name, self.whole = dut, model, name, whole
        self.shown = shown or {}
        """What is compared in place of an output."""
        leaves = {"__".join(map(str, path)): leaf for path, leaf in _leaves(component.signature)}
        self.layouts = {port: leaf.shape for port, leaf in leaves.items()}
        self._compared = {port: shape for port, shape in self.layouts.items() if port not in self.shown}
        self.outputs = {port: dut[port] for port, leaf in leaves.items() if leaf.flow is Flow.Out}
        self.inputs = {port: 0 for port, leaf in leaves.items() if leaf.flow is Flow.In}
        self.undefined = self.unreset
        """Outputs that are not compared yet."""
        self.cycle = 0
        self.seen: Counter[str] = Counter()
        self.tags: dict[str, int] = {}
        """Last instruction issued, by queue or engine."""
        self._driven: dict[str, Any] = {}

    def idle(self) -> dict[str, Any]:
        """Inputs while nothing is asked for."""
        return dict(self.inputs)

    def renewed(self) -> Any:
        """The model after a reset: memories keep what they hold."""
        raise NotImplementedError

    def count(self, inputs: dict[str, Any], out: dict[str, Any]) -> None:
        """What a cycle showed."""

    def packed(self, inputs: Mapping[str, Any]) -> dict[str, int]:
        """The ports' values of a cycle's inputs; the model may know more than the ports."""
        return {name: pack(self.layouts[name], inputs[name]) for name in self.inputs}

    async def start(self) -> None:
        """Clock, reset, and the first cycle after it."""
        start_clock(self.dut)
        await self._reset()

    async def restart(self) -> None:
        """A reset in the middle of whatever goes on; in the cycle whose edge resets, memories are still written."""
        self.dut.rst.value = 1
        await self.step(self.idle())
        self.model = self.renewed()
        self.tags.clear()
        self.seen["reset in traffic"] += 1
        await self._reset()

    async def _reset(self) -> None:
        self.cycle, self.undefined = 0, self.unreset
        self._driven = self.packed(self.idle())
        await reset(self.dut, self._driven)
        await self.step(self.idle())

    async def step(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """One cycle with `inputs`; what the model showed in it."""
        packed = self.packed(inputs)
        drive(self.dut, {name: bits for name, bits in packed.items() if self._driven.get(name) != bits})
        self._driven = packed
        await self.settled(inputs)
        out = self.model.comb(inputs)
        self.check(out)
        self.count(inputs, out)
        self.model.tick(inputs, out)
        self.cycle += 1
        return out

    async def settled(self, inputs: dict[str, Any]) -> None:
        """Until the outputs are those of the cycle: just before its edge."""
        await RisingEdge(self.dut.clk)

    def check(self, out: Mapping[str, Any]) -> None:
        """Compares what the RTL shows just before the edge that was awaited."""
        expected = {name: out[name] for name in self.outputs if name not in self.undefined}
        seen = {name: self._sampled(name) for name, value in expected.items() if value is not None}
        compare(
            self.cycle,
            seen,
            {name: expected[name] for name in seen},
            lambda: after(self.name, self.tags),
            layouts=self._compared,
            whole=self.whole,
        )

    def _sampled(self, name: str) -> int | None | tuple[int, int]:
        handle = self.outputs[name]
        value = known(handle)
        if name in self.shown:
            return None if value is None else self.shown[name](value)
        return with_unknown(handle) if value is None else value


def _leaves(signature: wiring.Signature, path: tuple[str, ...] = ()) -> Any:
    for name, member in signature.members.items():
        if member.is_port:
            yield (*path, name), member
        else:
            yield from _leaves(member.signature, (*path, name))
