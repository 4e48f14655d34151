"""Our port names for cocotbext-axi: `data__aw__addr` is found as `data_awaddr`."""

import logging
from typing import Any

__all__ = ["AxiWires", "axi_bus"]

CHANNELS = ("aw", "w", "b", "ar", "r")


class AxiWires:
    """The signals of one AXI port of `dut`, by the names that cocotbext-axi looks for."""

    def __init__(self, dut: Any, port: str) -> None:
        self._log = logging.getLogger(f"cocotb.{port}")
        self._log.setLevel(logging.WARNING)  # a line with all bytes for every burst says too much
        self._name = port
        prefix = f"{port}__"
        for handle in dut:
            if handle._name.startswith(prefix):
                channel, _, signal = handle._name.removeprefix(prefix).partition("__")
                if channel in CHANNELS:
                    setattr(self, f"{port}_{channel}{signal}", handle)


def axi_bus(kind: Any, dut: Any, port: str) -> Any:
    """`kind` (AxiBus, AxiReadBus, AxiLiteBus, ...) on a port of `dut`."""
    return kind.from_prefix(AxiWires(dut, port), port)
