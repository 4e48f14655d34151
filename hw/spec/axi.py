"""Encodings of the AMBA AXI specification (IHI 0022) that RTL and models use."""

from enum import IntEnum

__all__ = ["BURST_INCR", "LONGEST_BURST", "PAGE_BYTES", "Response"]

BURST_INCR = 1
LONGEST_BURST = 256
"""Beats of an AXI4 INCR burst."""
PAGE_BYTES = 4096
"""No burst crosses a multiple of this."""


class Response(IntEnum):
    """xRESP. Bit 1 says that the transfer failed."""

    OKAY = 0
    EXOKAY = 1
    SLVERR = 2
    DECERR = 3
