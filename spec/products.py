"""What is published of the three generations beyond a core: rates a chip, chips a machine, rates a machine, ratios.

One row a fact, each with its source and the unit that the source prints. Clock, cores a chip, memory a core and the
features of a core are in the presets; what follows from several of them is computed, never written here.

Sources: H1, H2, H3 = aws-neuron-sdk, about-neuron/arch/neuron-hardware/trainium{,2,3}.rst; I1, I2, I3 = same folder,
trn{1,2,3}-arch.rst; PRESS = press that quotes AWS's announcement of Trainium3 (December 2025), second hand.

Does not: say anything of this project's own cores.
"""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["ANNOUNCED", "CLASSES", "FACTS", "MACHINES", "UNITS", "Fact"]

CLASSES = ("fp8", "bf16", "fp32")
"""Kinds of arithmetic for which rates are printed; fp8: the fastest of elements with 8 bits that a generation has."""
UNITS: Mapping[str, float] = {"chips": 1.0, "times": 1.0, "TFLOPS": 1e12, "PFLOPS": 1e15, "TB/s": 1e12}
"""Of a fact, in operations or bytes a second."""


@dataclass(frozen=True)
class Fact:
    """One printed number."""

    generation: str
    quantity: str
    """`chips`, or what a chip or a machine has: `chip_bf16`, `server_memory`, ..."""
    printed: float
    unit: str
    source: str
    note: str = ""

    @property
    def value(self) -> float:
        """In operations or bytes a second, or as it is."""
        return self.printed * UNITS[self.unit]


MACHINES: Mapping[str, str] = {
    "trn1": "trn1.32xlarge",
    "trn2": "Trn2 UltraServer",
    "trn3": "Trn3 UltraServer Gen2",
}
"""The largest that is sold as one."""

_ROWS = (
    Fact("trn1", "chips", 16, "chips", "I1"),
    Fact("trn2", "chips", 64, "chips", "I2"),
    Fact("trn3", "chips", 144, "chips", "I3"),
    Fact("trn1", "chip_fp8", 190, "TFLOPS", "H1", "cFP8, at the rate of bf16; 191 on other pages"),
    Fact("trn2", "chip_fp8", 1299, "TFLOPS", "H2"),
    Fact("trn3", "chip_fp8", 2517, "TFLOPS", "H3", "MXFP8 and MXFP4"),
    Fact("trn1", "chip_bf16", 190, "TFLOPS", "H1", "191 on other pages"),
    Fact("trn2", "chip_bf16", 667, "TFLOPS", "H2"),
    Fact("trn3", "chip_bf16", 671, "TFLOPS", "H3"),
    Fact("trn1", "chip_fp32", 47.5, "TFLOPS", "H1", "48 on other pages"),
    Fact("trn2", "chip_fp32", 181, "TFLOPS", "H2"),
    Fact("trn3", "chip_fp32", 183, "TFLOPS", "H3"),
    Fact("trn1", "chip_memory", 0.82, "TB/s", "H1"),
    Fact("trn2", "chip_memory", 2.9, "TB/s", "H2", "3 in the architecture guide"),
    Fact("trn3", "chip_memory", 4.9, "TB/s", "H3", "4.7 in the architecture guide"),
    Fact("trn1", "server_fp8", 3.04, "PFLOPS", "I1"),
    Fact("trn2", "server_fp8", 83.2, "PFLOPS", "I2"),
    Fact("trn3", "server_fp8", 362.4, "PFLOPS", "I3", "MX"),
    Fact("trn1", "server_bf16", 3.04, "PFLOPS", "I1"),
    Fact("trn2", "server_bf16", 42.8, "PFLOPS", "I2"),
    Fact("trn3", "server_bf16", 96.6, "PFLOPS", "I3"),
    Fact("trn1", "server_fp32", 0.76, "PFLOPS", "I1"),
    Fact("trn2", "server_fp32", 11.6, "PFLOPS", "I2"),
    Fact("trn3", "server_fp32", 26.4, "PFLOPS", "I3"),
    Fact("trn1", "server_memory", 13.1, "TB/s", "I1"),
    Fact("trn2", "server_memory", 185.6, "TB/s", "I2"),
    Fact("trn3", "server_memory", 705.6, "TB/s", "I3"),
)
FACTS: Mapping[tuple[str, str], Fact] = {(row.generation, row.quantity): row for row in _ROWS}

ANNOUNCED: Mapping[str, Fact] = {
    row.quantity: row
    for row in (
        Fact("trn3", "fp8", 4.4, "times", "PRESS", "up to, UltraServer against UltraServer of trn2"),
        Fact("trn3", "memory", 4, "times", "PRESS", "almost, UltraServer against UltraServer of trn2"),
        Fact("trn3", "energy", 4, "times", "PRESS", "energy efficiency, UltraServer against UltraServer of trn2"),
    )
}
"""What trn3 was announced to be over trn2, by class."""
