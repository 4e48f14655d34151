"""The control port of the sequencer, cycle by cycle: one open write, one open read, the stored registers."""

from collections.abc import Callable, Mapping

from makalu.spec.axi import Response
from makalu.spec.config import CoreConfig
from makalu.spec.isa import QUEUES
from makalu.spec.registers import (
    DIGEST_BITS,
    FULL_STROBE,
    IDENTITY,
    REGISTER_BITS,
    REGISTER_MASK,
    START,
    Status,
    registers_of,
)

__all__ = ["ControlPortModel"]


class ControlPortModel:
    """Lockstep model of `hw/sequencer/registers.py`; `read_status(name)` gives the core's read-only registers."""

    def __init__(self, config: CoreConfig, read_status: Callable[[str], int]) -> None:
        self._read_status = read_status
        self._digest = int(config.digest[: DIGEST_BITS // 4], 16)
        self._address_mask = (1 << config.bus.address_bits) - 1
        every = registers_of(config).values()
        self._by_address = {r.address: r for r in every}
        self.stored = {r.name: 0 for r in every if r.access != "ro" and r.name != "control"}
        self._b: int | None = None
        self._r: tuple[int, int] | None = None

    def address(self, queue: int) -> int:
        name = QUEUES[queue].name.lower()
        return self.stored[f"{name}_address_low"] | self.stored[f"{name}_address_high"] << REGISTER_BITS

    def comb(self, inputs: Mapping[str, int]) -> dict[str, int | None]:
        accept = self._accepts(inputs)
        return {
            "control__aw__ready": accept,
            "control__w__ready": accept,
            "control__b__valid": self._b is not None,
            "control__b__resp": self._b,
            "control__ar__ready": self._r is None,
            "control__r__valid": self._r is not None,
            "control__r__data": self._r[0] if self._r else None,
            "control__r__resp": self._r[1] if self._r else None,
            "irq": self.stored["interrupt"] != 0,
        }

    def _accepts(self, inputs: Mapping[str, int]) -> bool:
        return bool(inputs["control__aw__valid"] and inputs["control__w__valid"] and self._b is None)

    def starts(self, inputs: Mapping[str, int]) -> bool:
        """`control` is written with its start bit in this cycle."""
        good = self._accepts(inputs) and inputs["control__w__strb"] == FULL_STROBE
        return good and self._written(inputs) == "control" and bool(inputs["control__w__data"] & START)

    def _written(self, inputs: Mapping[str, int]) -> str | None:
        register = self._by_address.get(inputs["control__aw__addr"])
        return register.name if register and register.access != "ro" else None

    def _value(self, name: str) -> int:
        constants = {"identity": IDENTITY, "digest": self._digest, "control": 0}
        if name in constants:
            return constants[name]
        return self.stored[name] if name in self.stored else self._read_status(name)

    def tick(self, inputs: Mapping[str, int], *, done: bool, error: bool) -> None:
        answered: tuple[int, int] | None = None
        if self._r is None and inputs["control__ar__valid"]:
            register = self._by_address.get(inputs["control__ar__addr"])
            answered = (self._value(register.name) & REGISTER_MASK, Response.OKAY) if register else (0, Response.SLVERR)
        elif self._r is not None and not inputs["control__r__ready"]:
            answered = self._r

        response = None if inputs["control__b__ready"] else self._b
        if self._accepts(inputs):
            name = self._written(inputs)
            good = name is not None and inputs["control__w__strb"] == FULL_STROBE
            response = Response.OKAY if good else Response.SLVERR
            if good and name is not None and name != "control":
                self._write(name, inputs["control__w__data"])
        self.stored["interrupt"] |= (done and Status.DONE) | (error and Status.ERROR)
        self._r, self._b = answered, response

    def _write(self, name: str, value: int) -> None:
        if name == "interrupt":
            self.stored[name] &= ~value
        elif name == "enable":
            self.stored[name] = value & ((1 << len(QUEUES)) - 1)
        elif name.endswith("_address_low"):
            self.stored[name] = value & self._address_mask
        elif name.endswith("_address_high"):
            self.stored[name] = value & (self._address_mask >> REGISTER_BITS)
        else:
            self.stored[name] = value
