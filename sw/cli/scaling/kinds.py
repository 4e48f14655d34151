"""What a kernel's operands may be: an element type in a mode of the array, one row each, read from the contract."""

from collections.abc import Mapping
from dataclasses import dataclass

from makalu.spec.config import CoreConfig
from makalu.spec.formats import Format
from makalu.spec.products import CLASSES
from makalu.spec.scales import quadrant
from makalu.spec.tensor_modes import MODES, Mode, TensorMode
from makalu.spec.tensor_types import passes

__all__ = ["FP8_BITS", "KINDS", "MAIN", "Kind", "best"]

FP8_BITS = 8


@dataclass(frozen=True)
class Kind:
    """Both operands of a product."""

    form: Format
    mode: TensorMode

    @property
    def name(self) -> str:
        """The type; with the mode where that is not the plain one."""
        plain = self.mode.mode == Mode.SINGLE
        return self.form.name if plain else f"{self.form.name}-{self.mode.mode.name.lower()}"

    @property
    def passes(self) -> int:
        """Matmuls of a product."""
        return len(passes(self.form.splits, self.form.splits))

    def runs_on(self, config: CoreConfig) -> bool:
        return self.form in config.tensor.operands and self.mode.mode in config.tensor.modes

    def ceiling(self, config: CoreConfig) -> float:
        """Multiply-accumulates a cycle of an array that never waits."""
        return config.tensor.rows * config.tensor.columns * self.mode.products / self.passes

    def filled(self, config: CoreConfig, k: int) -> int:
        """K with the zeros that the mode wants behind it: whole pairs, whole quadrants of containers."""
        whole = self.mode.products * (quadrant(config) if self.mode.mode == Mode.MX else 1)
        return -(-k // whole) * whole


KINDS: Mapping[str, Kind] = {
    kind.name: kind for mode in MODES.values() for form in mode.formats for kind in (Kind(form, mode),)
}
"""Every one that the contract has; a later mode is here as soon as it is a row there."""
MAIN = ("bf16", "fp32", "e4m3", "e4m3-double_row", "e4m3fn_x4-mx", "e2m1_x4-mx")
"""Those that every kernel runs with; the others take the same cycles as one of these (`makalu bench --part types`)."""


def best(config: CoreConfig, group: str) -> Kind:
    """The fastest of a class of printed rates; the first of equals. Errors: `KeyError` for no such class."""
    if group not in CLASSES:
        raise KeyError(group)
    if group != "fp8":
        return KINDS[group]
    eight = [KINDS[name] for name in MAIN if KINDS[name].form.bits == FP8_BITS and KINDS[name].runs_on(config)]
    return max(eight, key=lambda kind: kind.ceiling(config))
