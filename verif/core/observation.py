"""What the core's `observe` port shows and what the model says it shows, over many cycles at once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.config import CoreConfig
from makalu.spec.isa import QUEUES
from makalu.spec.memory_map import GRANULE_BYTES
from makalu.spec.observe import ObservedField, observe_layout
from makalu.sw.rtl.trace import Trace
from verif.tensor.encoding import finalised_words

__all__ = ["Comparison", "row_bytes"]

_PACKED = ("issue", "finish", "committed", "semaphores", "owned")
"""Fields that the model gives as one number, packed as on the port."""
_LANES = {"sbuf_vector": "defined_vector", "sbuf_scalar": "defined_scalar", "sbuf_dma": "defined_dma"}

Array = NDArray[Any]


def row_bytes(config: CoreConfig) -> int:
    """Bytes of one sample of the port."""
    return -(-sum(f.bits * f.count for f in observe_layout(config, "all")) // 8)


@dataclass(frozen=True)
class _Difference:
    cycle: int
    place: str
    rtl: str
    model: str


class Comparison:
    """Takes samples and model outputs cycle by cycle and compares them in blocks of `block` cycles.

    Every field in every cycle; left out are tags, addresses, granules and data beside a valid or enable that is low,
    columns in which no moving column's result passes, and bytes that nothing defined (a lane never placed them, or a
    merge took them over from a word that was never written). Columns are compared
    finalised. The error names the first cycle that differs, port, both values, and the last tag of every queue.
    """

    def __init__(self, config: CoreConfig, *, block: int = 64) -> None:
        self._config, self._block = config, block
        self._fields = observe_layout(config, "all")
        self._rtl: list[bytes] = []
        self._model: list[dict[str, Any]] = []
        self._first = 0
        self._tags: dict[str, int] = {}
        self.cycles = 0
        """Cycles compared."""

    def add(self, row: bytes, out: dict[str, Any]) -> None:
        """One cycle: the port's bytes and `CoreModel.comb`."""
        self._rtl.append(row)
        self._model.append(out)
        if len(self._rtl) == self._block:
            self.flush()

    def flush(self) -> None:
        """Compare what is there. Errors: `AssertionError`."""
        if not self._rtl:
            return
        raw = np.frombuffer(b"".join(self._rtl), np.uint8).reshape(len(self._rtl), -1)
        trace = Trace(self._fields, raw)
        found = [d for field in self._fields for d in self._field(trace, field)]
        self._note_issues()
        if found:
            first = min(found, key=lambda d: d.cycle)
            tags = ", ".join(f"{queue} {tag}" for queue, tag in self._tags.items()) or "none"
            more = sum(d.cycle == first.cycle for d in found) - 1
            raise AssertionError(
                f"core: cycle {first.cycle}, port {first.place}: RTL {first.rtl}, model {first.model} "
                f"({more} more ports differ in it); last tags issued: {tags}"
            )
        self.cycles += len(self._rtl)
        self._first += len(self._rtl)
        self._rtl, self._model = [], []

    def _note_issues(self) -> None:
        packed = self._packed(next(f for f in self._fields if f.name == "issue"))
        for event in packed.issues():
            self._tags[QUEUES[event.where].name.lower()] = event.tag

    def _packed(self, field: ObservedField) -> Trace:
        size = -(-field.bits * field.count // 8)
        rows = b"".join(int(out[field.name]).to_bytes(size, "little") for out in self._model)
        return Trace((field,), np.frombuffer(rows, np.uint8).reshape(len(self._model), size))

    def _stacked(self, *path: str) -> Array:
        values = self._model
        out = [value[path[0]] for value in values] if len(path) == 1 else [v[path[0]][path[1]] for v in values]
        return np.stack([np.asarray(value) for value in out])

    def _field(self, trace: Trace, field: ObservedField) -> list[_Difference]:
        name = field.name
        if name in _PACKED:
            model = self._packed(field)
            columns = {m: (trace.member(name, m), model.member(name, m), None) for m, _ in field.members}
            if "tag" in columns:
                columns["tag"] = (*columns["tag"][:2], columns["valid"][1] != 0)
        elif name == "columns":
            words = trace.member(name, "chain")
            rtl = finalised_words(words, subnormals=self._config.tensor.subnormals)
            columns = {"chain": (rtl, self._stacked("columns").astype(np.int64), self._stacked("columns_used"))}
        else:
            columns = self._writes(trace, field)
        return [d for member, sides in columns.items() if (d := self._first_of(name, member, *sides)) is not None]

    def _writes(self, trace: Trace, field: ObservedField) -> dict[str, tuple[Array, Array, Array | None]]:
        name = field.name
        gate = next(m for m, _ in field.members)
        enable = self._stacked(name, gate) != 0
        out: dict[str, tuple[Array, Array, Array | None]] = {gate: (trace.member(name, gate), enable, None)}
        for member, _ in field.members[1:]:
            rtl, model, mask = trace.member(name, member), self._stacked(name, member), enable
            if name in _LANES and member == "data":
                rtl = np.ascontiguousarray(rtl).view(np.uint8).reshape(model.shape)
                mask = enable[:, :, None] & self._bytes_written(name)
            out[member] = (rtl, model, mask)
        return out

    def _bytes_written(self, name: str) -> Array:
        """Bytes of the granules that are written, where they are defined."""
        granules = self._stacked(name, "granules").astype(np.int64)
        count = self._config.sbuf.word_bytes // GRANULE_BYTES
        chosen = np.repeat((granules[:, :, None] >> np.arange(count)) & 1, GRANULE_BYTES, axis=2) != 0
        return chosen & self._stacked(_LANES[name])

    def _first_of(self, name: str, member: str, rtl: Array, model: Array, mask: Array | None) -> _Difference | None:
        wrong = rtl.astype(np.int64) != model.astype(np.int64)
        if mask is not None:
            wrong &= mask
        if not wrong.any():
            return None
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        index = "".join(f"[{i}]" for i in where[1:])
        text = f"{name}{index}.{member}"
        return _Difference(self._first + where[0], text, f"{int(rtl[where]):#x}", f"{int(model[where]):#x}")
