"""A module of Yosys' JSON in Python: values of one instance, cycle by cycle, by the reference of its cells."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.rtl.lanes.reference import Memory, evaluate

__all__ = ["Circuit", "parameters_of"]

Runs = tuple[int, list[tuple[str, int, int, int]]]
"""Constant bits; (what drives, its first bit, first bit here, mask) of the others."""


def parameters_of(cell: Mapping[str, Any]) -> dict[str, int]:
    """A cell's parameters as numbers; undefined bits are 0."""
    return {key: int(value.replace("x", "0"), 2) for key, value in cell["parameters"].items() if key != "MEMID"}


class Circuit:
    """`clk` is the only clock, `rst` is low; no boxes. Registers and clocked read ports start where `run` is told."""

    def __init__(self, module: Mapping[str, Any]) -> None:
        self._driver: dict[int, tuple[str, int]] = {}
        self._cells = {name: cell for name, cell in module["cells"].items() if cell["type"] != "$scopeinfo"}
        self._parameters = {name: parameters_of(cell) for name, cell in self._cells.items()}
        self._outputs: dict[str, Sequence[int | str]] = {}
        for port, what in module["ports"].items():
            if what["direction"] == "output":
                self._outputs[port] = what["bits"]
            elif port not in ("clk", "rst"):
                self._drive(f"port {port}", what["bits"])
        self._memories = [name for name, cell in self._cells.items() if cell["type"] == "$mem_v2"]
        self._registers = [name for name, cell in self._cells.items() if cell["type"] == "$dff"]
        for name, cell in self._cells.items():
            bits = cell["connections"]
            if name in self._memories:
                width = self._parameters[name]["WIDTH"]
                for k in range(self._parameters[name]["RD_PORTS"]):
                    self._drive(f"{name}.{k}", bits["RD_DATA"][k * width : (k + 1) * width])
            else:
                self._drive(name, bits["Q" if name in self._registers else "Y"])
        self._runs: dict[tuple[str, str], Runs] = {
            (name, port): self._pieces(bits)
            for name, cell in self._cells.items()
            for port, bits in cell["connections"].items()
        }
        self._output_runs = {port: self._pieces(bits) for port, bits in self._outputs.items()}

    def _drive(self, name: str, bits: Sequence[int | str]) -> None:
        self._driver |= {bit: (name, i) for i, bit in enumerate(bits) if isinstance(bit, int)}

    def _pieces(self, bits: Sequence[int | str]) -> Runs:
        constant, runs = 0, []
        for at, bit in enumerate(bits):
            if not isinstance(bit, int):
                constant |= (bit == "1") << at
            elif bit in self._driver:
                name, low = self._driver[bit]
                last = runs[-1] if runs else None
                if last is not None and last[0] == name and low - last[1] == at - last[2] == last[3].bit_length():
                    runs[-1] = (*last[:3], last[3] << 1 | 1)
                else:
                    runs.append((name, low, at, 1))
        return constant, runs

    # ---- one cycle

    def _read(self, runs: Runs, values: dict[str, int], state: Mapping[str, Any]) -> int:
        constant, pieces = runs
        for name, low, at, mask in pieces:
            if name not in values:
                values[name] = self._evaluate(name, values, state)
            constant |= (values[name] >> low & mask) << at
        return constant

    def _evaluate(self, name: str, values: dict[str, int], state: Mapping[str, Any]) -> int:
        memory, _, port = name.rpartition(".")
        if memory in self._memories:
            p = self._parameters[memory]
            return state[memory].read(self._field(memory, "RD_ADDR", int(port), p["ABITS"], values, state))
        operands = [
            self._read(self._runs[name, port], values, state) if (name, port) in self._runs else 0 for port in "ABS"
        ]
        return evaluate(self._cells[name]["type"], self._parameters[name], *operands)

    def _field(self, name: str, port: str, k: int, width: int, values: dict[str, int], state: Mapping[str, Any]) -> int:
        """What port `k` of a memory has in one of its connections."""
        key = name, f"{port} {k}"
        if key not in self._runs:
            self._runs[key] = self._pieces(self._cells[name]["connections"][port][k * width : (k + 1) * width])
        return self._read(self._runs[key], values, state)

    def _now(self, state: Mapping[str, Any], inputs: Mapping[str, int]) -> dict[str, int]:
        known = {name: value for name, value in state.items() if isinstance(value, int)}
        return known | {f"port {port}": value for port, value in inputs.items()}

    def _edge(self, state: dict[str, Any], values: dict[str, int]) -> dict[str, Any]:
        """The state after the edge. Memories are changed in place, after all else was read."""
        after = dict(state)
        for name in self._registers:
            after[name] = self._read(self._runs[name, "D"], values, state)
        writes = []
        for name in self._memories:
            p = self._parameters[name]
            for k in range(p["RD_PORTS"]):
                if p["RD_CLK_ENABLE"] >> k & 1 and self._field(name, "RD_EN", k, 1, values, state):
                    address = self._field(name, "RD_ADDR", k, p["ABITS"], values, state)
                    after[f"{name}.{k}"] = state[name].read(address)
            for k in range(p["WR_PORTS"]):
                fields = (("WR_ADDR", p["ABITS"]), ("WR_DATA", p["WIDTH"]), ("WR_EN", p["WIDTH"]))
                writes.append((name, [self._field(name, port, k, width, values, state) for port, width in fields]))
        for name, (address, data, enable) in writes:
            state[name].write(address, data, enable)
        return after

    def run(
        self, start: Mapping[str, int], inputs: Sequence[Mapping[str, int]], later: Sequence[str] = ()
    ) -> list[dict[tuple[str, int], int]]:
        """For each cycle the outputs, by (port, 0), and the `later` ones as they are after its edge, by (port, 1)."""
        state: dict[str, Any] = dict(start)
        for name in self._memories:
            p = self._parameters[name]
            state[name] = Memory(p["WIDTH"], p["SIZE"], p["INIT"])
        out = []
        for given in inputs:
            values = self._now(state, given)
            seen = {(port, 0): self._read(runs, values, state) for port, runs in self._output_runs.items()}
            if self._registers or self._memories:
                state = self._edge(state, values)
                values = self._now(state, {})
                seen |= {(port, 1): self._read(self._output_runs[port], values, state) for port in later}
            out.append(seen)
        return out
