"""Lockstep model of all edges of the tensor engine at once: arrays over partitions, the same ports as `TensorEdge`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.chain import NEUTRAL
from makalu.spec.config import CoreConfig
from makalu.spec.formats import FORMAT_OF_CODE, Format
from makalu.spec.quads import QUADS
from makalu.spec.sparsity import PACKED_TAGS, ROW_CANDIDATES, TAG_BITS, tag_words

from ..golden.formats import storage
from .operand import operand_words
from .scales import ScaleGroups
from .short import pair_words, quad_words
from .taking_part import constant
from .tensor_control import Column, EdgeControl, Group, LookupPlace, Read, Turn

__all__ = ["TensorEdgesModel"]

_READ, _PLACE, _GROUP, _COLUMN = (kind._fields for kind in (Read, LookupPlace, Group, Column))
_FIELDS = (
    [("read", "enable"), *(("read", name) for name in _READ)]
    + [("group", "valid"), *(("group", name) for name in _GROUP)]
    + [("column", "valid"), *(("column", name) for name in _COLUMN)]
)
_TURN = [("turn", "valid"), *(("turn", name) for name in Turn._fields)]
_LOOKUPS = [(kind, name) for kind in ("column scale", "group scale") for name in ("valid", *_PLACE)]
_NOTHING = EdgeControl(None, None, None)

Fields = NDArray[np.int64]
Flags = NDArray[np.bool_]
Words = NDArray[np.uint8]


class TensorEdgesModel:
    """x, w of partition p in cycle t follow from the head's control of cycle t - p*L.

    Inputs of a cycle: `control` (EdgeControl of partition 0), `sbuf_data` uint8 [P, W].

    Outputs: `sbuf`: dict of arrays enable, address [P]; `x`: dict operand (words), active, swap [P]; `w`: dict operands
    ([P, F]), tag, valid [P], and `paired`, which the RTL does not show. Operands and tags are 0 while not active or not
    valid. Where there are background transposes, x has `turn` [P]. Where weights have tags, x has `sparse` [P] and
    `candidates` [P, 4] (words; then the operand is 0), w has `picks` [P, F], and `fault` is what the head hears.

    `tick` takes what `comb` gave for the same inputs in the same cycle, if the caller has it.
    """

    def __init__(self, config: CoreConfig) -> None:
        self.config = config
        count, word, buffers = config.partitions, config.sbuf.word_bytes, config.tensor.moving_buffers
        self.cycle = 0
        self._rows = np.arange(count)
        depth = (count - 1) * config.tensor.add_stages + 1
        self._depth = depth
        self._scales = ScaleGroups(config) if config.tensor.quads else None
        turns = _TURN if config.tensor.background else []
        self._fields = [*_FIELDS, *(_LOOKUPS if self._scales else []), *turns]
        self._past = np.zeros((len(self._fields), depth), np.int64)
        self._seen: dict[tuple[str, str], Fields] = {}
        """What partitions' controls are in the cycle of the last `comb` that was not quiet."""
        self._last_control = -depth
        """The last cycle in which partition 0 did something."""
        self._faults: set[int] = set()
        """Cycles in which one is at the head."""
        no, nothing = constant(np.zeros(count, bool)), constant(np.zeros(count, np.int64))
        groups = constant(np.zeros((count, config.tensor.load_columns), np.int64))
        self._quiet_out = {
            "sbuf": {"enable": no, "address": nothing},
            "x": {"operand": nothing, "active": no, "swap": no, "paired": no},
            "w": {"operands": groups, "tag": nothing, "valid": no, "paired": no},
        }
        if config.tensor.background:
            self._quiet_out["x"] |= {"turn": no}
        sizes = {"still": 2, "moving": buffers}
        if config.tensor.sparse:
            sizes["tags"] = tag_words(config, config.tensor.columns)
            candidates = constant(np.zeros((count, ROW_CANDIDATES), np.int64))
            self._quiet_out["x"] |= {"sparse": no, "candidates": candidates}
            self._quiet_out["w"] |= {"picks": groups}
        self._words = {name: np.zeros((count, size, word), np.uint8) for name, size in sizes.items()}
        self._active = {name: np.zeros(words.shape[:2], bool) for name, words in self._words.items()}
        self._arriving: dict[str, NDArray[Any]] | None = None
        """Fields of the control that read what arrives; `enable`, whether the partition takes part."""

    @property
    def fault(self) -> bool:
        """The head hears of a tag that is out of range, in this cycle."""
        return self.cycle in self._faults

    def _controls(self, control: EdgeControl) -> dict[tuple[str, str], Fields]:
        """Fields of every partition's control."""
        sizes = {"read": len(_READ), "group": len(_GROUP), "column": len(_COLUMN)}
        row: list[int] = []
        for name, size in sizes.items():
            part = getattr(control, name)
            row += [0] * (size + 1) if part is None else [1, *part]
        if self._scales is not None:
            for place in control.lookup or (None, None):
                row += [0] * (len(_PLACE) + 1) if place is None else [1, *place]
        if self.config.tensor.background:
            row += [0] * len(_TURN) if control.turn is None else [1, *control.turn]
        self._past[:, self.cycle % self._depth] = row
        seen = self._past[:, (self.cycle - self._rows * self.config.tensor.add_stages) % self._depth]
        return dict(zip(self._fields, seen, strict=True))

    def _quiet(self, control: EdgeControl) -> bool:
        """No partition does anything: neither this cycle's control nor any that is still on its way asks for it."""
        return control == _NOTHING and self.cycle - self._last_control >= self._depth

    def comb(self, inputs: dict[str, Any]) -> dict[str, Any]:
        heard = {"fault": self.fault} if self.config.tensor.sparse else {}
        if self._quiet(inputs["control"]):
            return {name: dict(part) for name, part in self._quiet_out.items()} | heard
        c = self._seen = self._controls(inputs["control"])
        tensor, rows = self.config.tensor, self._rows
        start, count = c["read", "start"], c["read", "partitions"]
        reads = (c["read", "enable"] != 0) & (rows >= start) & (rows < start + count)
        if self._scales is not None:
            reads &= (c["read", "scale"] == 0) | self._scales.lie_in(rows - start)

        active = (c["column", "valid"] != 0) & self._active["moving"][rows, c["column", "buffer"]]
        sparse = active & (c["column", "ratio"] != 0)
        x = {
            "operand": self._operands(c, "column", "moving", active & ~sparse, 1, inputs)[:, 0],
            "active": active,
            "swap": (c["column", "valid"] & c["column", "swap"]) != 0,
            "paired": active & self._paired(c, "column"),
        }
        inside = (c["group", "valid"] != 0) & self._active["still"][rows, c["group", "buffer"]]
        valid = inside | ((c["group", "valid"] & c["group", "apart"]) != 0)
        operands = self._operands(c, "group", "still", inside, tensor.load_columns, inputs)
        w = {
            "operands": np.where((valid & ~inside)[:, None], NEUTRAL, operands),
            "tag": np.where(valid, c["group", "tag"], 0),
            "valid": valid,
            "paired": inside & self._paired(c, "group"),
        }
        if self.config.tensor.background:
            x["turn"] = (c["turn", "valid"] != 0) & (rows >= c["turn", "start"])
            x["turn"] &= rows < c["turn", "start"] + c["turn", "partitions"]
        if self.config.tensor.sparse:
            each = [self._candidate(c, j, sparse, inputs) for j in range(ROW_CANDIDATES)]
            x |= {"sparse": sparse, "candidates": np.stack(each, axis=1)}
            w["picks"] = self._picks(c, valid)
        return {"sbuf": {"enable": reads, "address": c["read", "address"]}, "x": x, "w": w} | heard

    def _candidate(
        self, c: dict[tuple[str, str], Fields], j: int, sparse: Flags, inputs: dict[str, Any]
    ) -> NDArray[np.int64]:
        """[P]: operands of the j-th elements of sparse columns; 0 where there is none."""
        here = sparse & (c["column", "ratio"] > j)
        if not here.any():
            return np.zeros(len(here), np.int64)
        buffer = (c["column", "buffer"] + j) % self.config.tensor.moving_buffers
        return self._operands(c | {("column", "buffer"): buffer}, "column", "moving", here, 1, inputs)[:, 0]

    def _picks(self, c: dict[tuple[str, str], Fields], valid: Flags) -> NDArray[np.int64]:
        """[P, F]: the tags of a group's weights; 0 where they have none."""
        out = np.zeros((len(valid), self.config.tensor.load_columns), np.int64)
        mine = np.flatnonzero(valid & (c["group", "ratio"] != 0))
        if len(mine):
            tags = _unpacked(self._words["tags"][mine].reshape(len(mine), -1))
            out[mine] = tags.reshape(len(mine), -1, out.shape[1])[np.arange(len(mine)), c["group", "number"][mine]]
        return out

    def _operands(
        self, c: dict[tuple[str, str], Fields], what: str, kind: str, here: Flags, count: int, inputs: dict[str, Any]
    ) -> NDArray[np.int64]:
        """[P, count]: operands of the `count` elements at `place`; 0 where not `here`."""
        out = np.zeros((len(here), count), np.int64)
        kinds = np.stack([c[what, name] for name in ("dtype", "part", "paired", "offset")])
        for each in set(zip(*kinds[:, here].tolist(), strict=True)):
            dtype, part, paired, offset = each
            mine = np.flatnonzero(here & (kinds.T == each).all(axis=1))
            form, buffer = FORMAT_OF_CODE[dtype], c[what, "buffer"][mine]
            place = c[what, "place"][mine] >> form.size_log2 - self.config.tensor.smallest

            def elements(words: Words, form: Format = form, place: Fields = place) -> NDArray[Any]:
                parts = words.view(storage(form)).reshape(len(place), -1, count)
                return np.asarray(parts[np.arange(len(place)), place])

            bits, subnormals = elements(self._words[kind][mine, buffer]), self.config.tensor.subnormals
            if form in QUADS and self._scales is not None:
                scales = self._scales.column[mine, None] if count == 1 else self._scales.group[mine]
                out[mine] = quad_words(bits, scales, form=form)
            elif paired:
                both = np.stack([bits, elements(self._second(kind, mine, buffer, inputs))])
                out[mine] = pair_words(both, form=form, products=self.config.tensor.products)
            else:
                own = {"part": part, "subnormals": subnormals, "offset": offset}
                out[mine] = operand_words(bits, form=form, stationary=kind == "still", **own)
        return out

    def _paired(self, c: dict[tuple[str, str], Fields], what: str) -> Flags:
        """Pairs and quads."""
        paired: Flags = np.isin(c[what, "dtype"], [form.code for form in QUADS]) | (c[what, "paired"] != 0)
        return paired

    def _second(self, kind: str, mine: Fields, buffer: Fields, inputs: dict[str, Any]) -> Words:
        """Words of the second row: in the next buffer, or, of a stationary tile, just on their way to it."""
        words = self._words[kind][mine, (buffer + 1) % self._words[kind].shape[1]]
        if kind == "still" and self._arriving is not None:
            arriving = self._arriving
            comes = (arriving["what"] == 0) & (arriving["buffer"] == 1)
            words = np.where(comes[mine][:, None], inputs["sbuf_data"][mine], words)
        return words

    def tick(self, inputs: dict[str, Any], out: dict[str, Any] | None = None) -> None:
        control: EdgeControl = inputs["control"]
        if self._arriving is not None:
            self._arrive(inputs["sbuf_data"], self._arriving)
        if self._scales is not None:
            self._scales.arrive(inputs["sbuf_data"])
        if self._quiet(control):
            self._arriving = None
            self._past[:, self.cycle % self._depth] = 0
        else:
            reads, c = (out or self.comb(inputs))["sbuf"]["enable"], self._seen
            words = (c["read", "enable"] != 0) & (c["read", "scale"] == 0)
            what = np.where(words, c["read", "moving"] + 2 * c["read", "tags"], -1)
            fields = {name: c["read", name] for name in ("buffer", "ratio", "units")}
            self._arriving = {"what": what, "enable": reads, **fields}
            if self._scales is not None:
                self._scales.step(c, reads & (c["read", "scale"] != 0))
        if control != _NOTHING:
            self._last_control = self.cycle
        self._faults.discard(self.cycle)
        self.cycle += 1

    def _arrive(self, words: Words, arriving: dict[str, NDArray[Any]]) -> None:
        """Words of the reads of the cycle before; where a read was not for the partition, the buffer is inactive."""
        buffer, active = arriving["buffer"], arriving["enable"]
        for kind, name in enumerate(self._words):  # in the order of `what`
            here = np.flatnonzero(arriving["what"] == kind)
            self._active[name][here, buffer[here]] = active[here]
            taken = here[active[here]]
            self._words[name][taken, buffer[taken]] = words[taken]
            if name == "tags" and len(taken):
                self._look_at(words[taken], taken, arriving)

    def _look_at(self, words: Words, rows: Fields, arriving: dict[str, NDArray[Any]]) -> None:
        """Tags that arrive: one that is out of range rides down to the head."""
        tags = _unpacked(words)
        count, ratio = PACKED_TAGS * arriving["units"][rows, None], arriving["ratio"][rows, None]
        bad = (tags % ROW_CANDIDATES >= ratio) | (tags // ROW_CANDIDATES >= self.config.tensor.group_rows)
        bad &= np.arange(tags.shape[1]) < count
        late = (self.config.partitions - rows[bad.any(axis=1)]) * self.config.tensor.add_stages
        self._faults |= set((self.cycle + late).tolist())


def _unpacked(words: Words) -> NDArray[np.int64]:
    """Tags [n, ...] in bytes [n, ...], from the lowest bits on."""
    halves = words.astype(np.int64)[..., None] >> np.arange(0, 8, TAG_BITS) & (1 << TAG_BITS) - 1
    return np.asarray(halves.reshape(len(words), -1))
