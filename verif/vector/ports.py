"""The ports of the lanes' assembly as flat names: what the models expect and what the RTL shows."""

from typing import Any

import numpy as np

from makalu.spec.config import CoreConfig
from verif.lib.lane_ports import lane_port_fields, lane_port_values, request_fields
from verif.lib.pack import bytes_to_word, unpack, word_to_bytes
from verif.lib.sampling import with_unknown
from verif.vector.assembly import LanesAssembly

__all__ = ["NAMES", "LanePorts"]

NAMES = ("vector", "scalar")
OUTPUTS = ("finish", "active", "stalled", "request", "psum_request", "to_lanes", "write_data", "written_a")
GRANTS = ("grant", "psum_grant")
DATA = ("to_lanes", "write_data", "written_a")
"""Some bits are undefined before the first instruction, placed byte or read; those that are looked at may not be."""


class LanePorts:
    """Both sides of a cycle's comparison, by engine, port and partition; what carries nothing is 0 on both."""

    def __init__(self, dut: Any, config: CoreConfig) -> None:
        self.dut, self.config = dut, config
        members = LanesAssembly(config=config).signature.members.items()
        self.layout = {name: member.shape for name, member in members if member.is_port}

    def expected(
        self, outs: list[dict[str, Any]], arbiter: dict[str, Any], lanes: list[dict[str, Any]], memory: dict[str, Any]
    ) -> dict[str, int]:
        flat: dict[str, int] = {name: arbiter[name] for name in GRANTS}
        for e, out in enumerate(outs):
            flat[f"{NAMES[e]}.ready"] = out["ready"]
            named = {port: out[port] for port in ("finish", "active", "stalled")}
            named |= request_fields(out) | lane_port_fields(out["to_lanes"])
            flat |= {f"{NAMES[e]}.{name}": int(value) for name, value in named.items()}
            for p in range(self.config.partitions):
                shown = np.where(lanes[e]["known"][p], lanes[e]["write_data"][p], 0)
                flat[f"{NAMES[e]}.write_data[{p}]"] = bytes_to_word(shown)
                commit = {name: value[p] for name, value in memory["written_a"][e].items()}
                flat |= self._written(f"{NAMES[e]}.written_a[{p}]", {**commit, "data": bytes_to_word(commit["data"])})
        return flat

    def _written(self, name: str, commit: dict[str, Any]) -> dict[str, int]:
        """A commit's fields; without `enable` only that, of the data only the granules that are written."""
        if not commit["enable"]:
            return {f"{name}.enable": 0}
        return {
            **{f"{name}.{field}": int(commit[field]) for field in ("enable", "address", "granules")},
            f"{name}.data": int(commit["data"]) & self._granule_bits(commit),
        }

    def _granule_bits(self, commit: dict[str, Any]) -> int:
        granules = [int(commit["granules"]) >> g & 1 for g in range(self.config.sbuf.word_bytes // 4)]
        return sum(0xFFFFFFFF << 32 * g for g, used in enumerate(granules) if used)

    def _bits(self, name: str) -> tuple[int, int]:
        """(value with 0 for X and Z, mask of those bits); only data may have any."""
        value, unknown = with_unknown(self.dut[name])
        assert not unknown or name in DATA, f"port {name} has X or Z: {self.dut[name].value}"
        return value, unknown

    def sampled(self, lanes: list[dict[str, Any]]) -> dict[str, int | None]:
        flat: dict[str, int | None] = {}
        raw = {name: self._bits(name) for name in (*OUTPUTS, *GRANTS)}
        bits = {name: value for name, (value, _) in raw.items()}
        flat |= {name: bits[name] for name in GRANTS}
        values = {name: unpack(self.layout[name], bits[name]) for name in OUTPUTS}
        undefined = {name: unpack(self.layout[name], raw[name][1]) for name in DATA}
        for e, engine in enumerate(NAMES):
            flat[f"{engine}.ready"] = int(self.dut[f"{engine}__ready"].value)
            named = {port: bits[port] >> e & 1 for port in ("finish", "active", "stalled")}
            named |= request_fields({port: values[port][e] for port in ("request", "psum_request")})
            named |= lane_port_values(values["to_lanes"][e], undefined["to_lanes"][e])
            flat |= {f"{engine}.{name}": value for name, value in named.items()}
            for p in range(self.config.partitions):
                width = self.config.sbuf.word_bytes
                row, lost = (word_to_bytes(v["write_data"][p][e], width) for v in (values, undefined))
                known = lanes[e]["known"][p]
                shown = bytes_to_word(np.where(known, row, 0))
                flat[f"{engine}.write_data[{p}]"] = None if lost[known].any() else shown
                commit, gone = values["written_a"][p][e], undefined["written_a"][p][e]
                flat |= self._written(f"{engine}.written_a[{p}]", commit)
                if commit["enable"] and gone["data"] & self._granule_bits(commit):
                    flat[f"{engine}.written_a[{p}].data"] = None
        return flat
