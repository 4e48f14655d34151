"""Encodings of the AMBA AXI specification (IHI 0022) that RTL and models use."""

from enum import IntEnum

__all__ = [
    "BURST_BITS",
    "BURST_INCR",
    "CONTROL_ADDRESS_BITS",
    "ID_BITS",
    "LEN_BITS",
    "LONGEST_BURST",
    "PAGE_BYTES",
    "RESP_BITS",
    "SIZE_BITS",
    "Response",
]

LEN_BITS = 8
"""AxLEN: beats of a burst, less 1."""
SIZE_BITS = 3
"""AxSIZE: log2 of the bytes of a beat."""
BURST_BITS = 2
RESP_BITS = 2
ID_BITS = 4
"""xID of both AXI4 ports; ours, the specification leaves it open."""
CONTROL_ADDRESS_BITS = 16
"""Byte address on the AXI4-Lite port; ours as well."""

BURST_INCR = 1
LONGEST_BURST = 1 << LEN_BITS
"""Beats of an AXI4 INCR burst."""
PAGE_BYTES = 4096
"""No burst crosses a multiple of this."""


class Response(IntEnum):
    """xRESP. Bit 1 says that the transfer failed."""

    OKAY = 0
    EXOKAY = 1
    SLVERR = 2
    DECERR = 3
