"""AXI4's rules for a master, checked from what its port shows in every cycle; no model is asked."""

from collections import deque
from collections.abc import Mapping

from makalu.spec.axi import BURST_INCR, PAGE_BYTES

__all__ = ["AxiRules"]

_ADDRESS = ("addr", "len", "size", "burst", "id")
_PAYLOAD = {"ar": _ADDRESS, "aw": _ADDRESS, "w": ("data", "strb", "last")}


class AxiRules:
    """A valid and its payload hold until ready; bursts are legal; WLAST and the strobes fit them.

    - ar, aw, w: valid does not fall, and no payload bit changes, before the ready that takes them; never X.
    - ar, aw: whole, aligned beats (SIZE, first address), INCR, no burst crosses 4 KiB.
    - w: LAST in the beat that the burst's LEN says, also for data ahead of its address; the bytes of a burst are one
      run without holes, none of its beats empty.

    Does not: judge the slave, nor the order of responses.

    Parameters
    ----------
    port
        In front of the signals' names and in the messages: `data` has `data__ar__valid`, and so on.
    data_bytes
        Of a beat.
    channels
        Those of ar, aw, w that the master has.
    """

    def __init__(self, port: str, *, data_bytes: int, channels: tuple[str, ...] = ("ar", "aw", "w")) -> None:
        self._port, self._bytes, self._channels = port, data_bytes, channels
        self._held: dict[str, dict[str, int | None]] = {}
        self._lengths: deque[int] = deque()
        self._beats: deque[tuple[int, int]] = deque()
        self._place = 0
        self.bursts = 0
        """Addresses that were taken."""

    @property
    def signals(self) -> tuple[str, ...]:
        """What `check` reads: the master's outputs, and ready."""
        names = [(c, name) for c in self._channels for name in ("valid", "ready", *_PAYLOAD[c])]
        return tuple(f"{self._port}__{channel}__{name}" for channel, name in names)

    def check(self, cycle: int, values: Mapping[str, int | None]) -> None:
        """One cycle: every name of `signals` with its value, `None` for X or Z. Errors: `AssertionError`."""
        for channel in self._channels:
            prefix = f"{self._port}__{channel}"
            where = f"AXI rule, cycle {cycle}, {prefix}"
            shown = {name: values[f"{prefix}__{name}"] for name in _PAYLOAD[channel]}
            valid, ready = values[f"{prefix}__valid"], values[f"{prefix}__ready"]
            assert valid is not None and ready is not None, f"{where}: valid or ready is X"
            if channel in self._held:
                assert valid, f"{where}: valid fell before ready"
                for name, value in self._held[channel].items():
                    assert shown[name] == value, f"{where}__{name} changed while it waited for ready"
            self._held.pop(channel, None)
            if not valid:
                continue
            payload = self._defined(where, channel, shown)
            if channel != "w":
                self._burst(where, payload)
            if not ready:
                self._held[channel] = shown
            elif channel == "w":
                self._beats.append((payload["strb"], payload["last"]))
            else:
                self.bursts += 1
                self._lengths.extend([payload["len"]] if channel == "aw" else [])
        self._match(cycle)

    def _defined(self, where: str, channel: str, shown: Mapping[str, int | None]) -> dict[str, int]:
        """The payload as numbers. Of W's data only bytes with a strobe count, so X there is the comparison's affair."""
        out = {}
        for name, value in shown.items():
            assert value is not None or (channel, name) == ("w", "data"), f"{where}__{name}: X beside valid"
            out[name] = value or 0
        return out

    def _burst(self, where: str, payload: Mapping[str, int]) -> None:
        first, beats = payload["addr"], payload["len"] + 1
        assert 1 << payload["size"] == self._bytes, f"{where}__size {payload['size']}: beats have {self._bytes} bytes"
        assert payload["burst"] == BURST_INCR, f"{where}__burst {payload['burst']} is not INCR"
        assert first % self._bytes == 0, f"{where}__addr {first:#x} is not a multiple of {self._bytes}"
        last = first + beats * self._bytes - 1
        assert first // PAGE_BYTES == last // PAGE_BYTES, f"{where}: {first:#x} crosses 4 KiB ({beats} beats)"

    def _match(self, cycle: int) -> None:
        """Data beats of which the address is known."""
        where, full = f"AXI rule, cycle {cycle}, {self._port}__w", (1 << self._bytes) - 1
        while self._lengths and self._beats:
            strobe, last = self._beats.popleft()
            length, place = self._lengths[0], self._place
            of = f"in beat {place} of {length + 1}"
            assert last == int(place == length), f"{where}__last is {last} {of}"
            low = strobe & -strobe
            assert strobe and not strobe & (strobe + low), f"{where}__strb {strobe:#x} {of} is not one run of bytes"
            assert place == 0 or strobe & 1, f"{where}__strb {strobe:#x} {of}: a hole before it"
            assert place == length or strobe > full >> 1, f"{where}__strb {strobe:#x} {of}: a hole after it"
            self._place = 0 if place == length else place + 1
            if place == length:
                self._lengths.popleft()
