"""AXI4 and AXI4-Lite as Amaranth signatures, seen from the master; names as in the AMBA AXI specification (IHI 0022).

`port__ar__addr` of the Verilog is ARADDR of the port, and so on. Channels are plain groups of signals, not streams, so
that every signal is a Verilog port of its own.

Does not: carry LOCK, CACHE, PROT, QOS, REGION or USER; exclusive access; bursts other than INCR.
"""

from typing import Any

from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from makalu.spec.axi import BURST_BITS, CONTROL_ADDRESS_BITS, ID_BITS, LEN_BITS, PAGE_BYTES, RESP_BITS, SIZE_BITS
from makalu.spec.registers import REGISTER_BITS, REGISTER_BYTES

__all__ = ["AxiLiteSignature", "AxiSignature", "within_page"]


def _channel(members: dict[str, int], *, flow: type[In] | type[Out]) -> wiring.Member:
    """VALID and payload with the flow, READY against it; `flow` is the master's."""
    signature: dict[str, wiring.Member] = {"valid": Out(1), "ready": In(1)}
    signature.update({name: Out(bits) for name, bits in members.items()})
    return flow(wiring.Signature(signature))


class AxiSignature(wiring.Signature):
    """AXI4 master port: channels ar and r (`read`), aw, w and b (`write`).

    Parameters: `read`, `write` which directions exist; `data_bytes` width of a beat (power of two, 1 to 128);
    `address_bits`; `id_bits`.

    Members: `aw, ar: Out({valid, addr, len, size, burst, id}, ready)`, `w: Out({valid, data, strb, last}, ready)`,
    `b: In({valid, resp, id}, ready)`, `r: In({valid, data, resp, last, id}, ready)`.
    """

    def __init__(self, *, read: bool, write: bool, data_bytes: int, address_bits: int, id_bits: int = ID_BITS) -> None:
        if not (read or write):
            raise ValueError("AxiSignature must have read or write")
        if not 1 <= data_bytes <= 128 or data_bytes & (data_bytes - 1):
            raise ValueError(f"AxiSignature data_bytes must be a power of two from 1 to 128, not {data_bytes!r}")
        self.read, self.write = read, write
        self.data_bytes, self.address_bits, self.id_bits = data_bytes, address_bits, id_bits
        self.size = exact_log2(data_bytes)
        """AxSIZE of a full beat."""
        address = {
            "addr": address_bits,
            "len": LEN_BITS,
            "size": SIZE_BITS,
            "burst": BURST_BITS,
            "id": id_bits,
        }
        channels: dict[str, wiring.Member] = {}
        if write:
            channels["aw"] = _channel(address, flow=Out)
            channels["w"] = _channel({"data": 8 * data_bytes, "strb": data_bytes, "last": 1}, flow=Out)
            channels["b"] = _channel({"resp": RESP_BITS, "id": id_bits}, flow=In)
        if read:
            channels["ar"] = _channel(address, flow=Out)
            channels["r"] = _channel({"data": 8 * data_bytes, "resp": RESP_BITS, "last": 1, "id": id_bits}, flow=In)
        super().__init__(channels)


class AxiLiteSignature(wiring.Signature):
    """AXI4-Lite master port of registers of `REGISTER_BITS` (a slave has `In(AxiLiteSignature())`).

    Members: `aw, ar: Out({valid, addr}, ready)`, `w: Out({valid, data, strb}, ready)`, `b: In({valid, resp}, ready)`,
    `r: In({valid, data, resp}, ready)`.
    """

    def __init__(self, *, address_bits: int = CONTROL_ADDRESS_BITS) -> None:
        self.address_bits = address_bits
        super().__init__(
            {
                "aw": _channel({"addr": address_bits}, flow=Out),
                "w": _channel({"data": REGISTER_BITS, "strb": REGISTER_BYTES}, flow=Out),
                "b": _channel({"resp": RESP_BITS}, flow=In),
                "ar": _channel({"addr": address_bits}, flow=Out),
                "r": _channel({"data": REGISTER_BITS, "resp": RESP_BITS}, flow=In),
            }
        )


def within_page(channel: Any) -> Value:
    """The burst on an AR or AW channel lies in one page of 4 KiB."""
    return channel.addr[: exact_log2(PAGE_BYTES)] + ((channel.len + 1) << channel.size) <= PAGE_BYTES
