"""The rules of what the array loads, moves and writes, as text: tiles, modes, and what goes together."""

from collections.abc import Iterator

from makalu.spec.formats import FORMAT_OF_CODE
from makalu.spec.isa import AP_DIMS, OperandRule
from makalu.spec.scales import quadrant
from makalu.spec.sparsity import RATIO_LIMIT
from makalu.spec.tensor_types import MIXING, TRANSPOSES, mixable

from .place import Place, Readings, places

__all__ = ["TENSOR_READINGS"]


def _tile(place: Place) -> Iterator[str]:
    (size0, *rest), columns, rows = place.sizes, place.config.tensor.columns, place.mode.rows
    if size0 > columns or rest != [1] * (AP_DIMS - 2) + [rows]:
        behind = f" and {rows} rows in dimension {AP_DIMS - 1}" if rows > 1 else ""
        yield f"a stationary tile has 1 to {columns} columns in dimension 0{behind}, not {[size0, *rest]}"


def _row_tile(place: Place) -> Iterator[str]:
    (size0, *rest), columns = place.sizes, place.config.tensor.columns
    if size0 > columns or set(rest) != {1}:
        yield f"a sparse tile has 1 to {columns} columns in dimension 0, not {[size0, *rest]}"


def _quadrants(place: Place) -> Iterator[str]:
    first, count, whole = place["partition"], place.count, quadrant(place.config)
    if place.mode.scaled and (first % whole or count % whole):
        yield f"{place.slot} has partitions {first} to {first + count - 1}, in mx they come by {whole}"


def _groups(place: Place) -> Iterator[str]:
    if place.mode.tagged:
        yield from _whole_groups(place)


def _whole_groups(place: Place) -> Iterator[str]:
    first, count, whole = place["partition"], place.count, place.config.tensor.group_rows
    if first % whole or count % whole:
        yield f"{place.slot} has partitions {first} to {first + count - 1}, in sparse they come by {whole}"


def _as_partitions(place: Place) -> Iterator[str]:
    if place.sizes != (place.instruction["partitions"], *(1,) * (AP_DIMS - 1)):
        yield f"{place.slot} has sizes {place.sizes}; size0 must be the {place.instruction['partitions']} partitions"


def _as_columns(place: Place) -> Iterator[str]:
    if place.sizes != (place.instruction["columns"], *(1,) * (AP_DIMS - 1)):
        yield f"{place.slot} has sizes {place.sizes}; size0 must be the {place.instruction['columns']} columns"


def _of_bits(place: Place) -> Iterator[str]:
    if place.instruction["part"] not in TRANSPOSES:
        names = [f"{part.name} ({int(part)})" for part in TRANSPOSES]
        yield f"part must be one of {names}, not {place.instruction['part']}"


def _none_waits(place: Place) -> Iterator[str]:
    if place.loaded is not None and place.loaded.waits:
        yield "the last load waits for its matmul, and a transpose would take the place of its tile"


def _column_tile(place: Place) -> Iterator[str]:
    first, tile = place["partition"], place.config.tensor.column_tile
    if first % tile:
        yield f"{place.slot}_partition, the first PE column, must be a multiple of {tile}, not {first}"


def _columns_within(place: Place) -> Iterator[str]:
    first, tile, columns = place.instruction["column"], place.config.tensor.column_tile, place.config.tensor.columns
    if first % tile:
        yield f"column must be a multiple of {tile}, not {first}"
    elif first + place.sizes[0] > columns:
        yield f"{place.slot} ends at column {first + place.sizes[0]}, the array has {columns}"


def _mixable(place: Place) -> Iterator[str]:
    form, loaded = FORMAT_OF_CODE.get(place["dtype"]), place.loaded
    if loaded is None or form is None:
        return
    if loaded.form is not None and not mixable(loaded.form, form):
        yield f"{place.slot} is of {form.name} and the stationary of {loaded.form.name}; {MIXING}"
    if place.instruction["mode"] != loaded.mode:
        yield f"the mode is {place.instruction['mode']}, that of the stationary {int(loaded.mode)}; they must be equal"
    elif place.mode.tagged and place.sizes[-1] != loaded.ratio:
        its = place.sizes[-1]
        yield f"{place.slot} has {its} elements a partition, the tags of the stationary are for {loaded.ratio}"


def _same_columns(place: Place) -> Iterator[str]:
    (dst, *_), rows = places(place.instruction, place.config), place.mode.rows
    if place.mode.tagged:
        ratio = place.sizes[-1]
        if place.sizes[:-1] != dst.sizes[:-1] or dst.sizes[-1] != 1 or not 1 <= ratio <= RATIO_LIMIT:
            yield (
                f"{place.slot} has sizes {place.sizes} and {dst.slot} has {dst.sizes}; they must be equal but for the"
                f" last: 1 to {RATIO_LIMIT} elements of a partition, and 1 there"
            )
        return
    outer = (dst.sizes[-1],) if rows == 1 else (rows,)
    if place.sizes != (*dst.sizes[:-1], *outer) or (rows > 1 and dst.sizes[-1] != 1):
        of_mode = f" but for the last: {rows}, and 1 there" if rows > 1 else ""
        yield f"{place.slot} has sizes {place.sizes} and {dst.slot} has {dst.sizes}; they must be equal{of_mode}"


def _rows_aligned(place: Place) -> Iterator[str]:
    word, step = place.config.sbuf.word_bytes, place[f"stride{AP_DIMS - 1}"] * place.pattern.format.bytes
    if (place.mode.rows > 1 or place.mode.tagged) and step % word:
        what = "element to element" if place.mode.tagged else "row to row"
        yield f"{place.slot}_stride{AP_DIMS - 1} must be a multiple of {word} bytes from {what}, not {step}"


def _of_mode(place: Place) -> Iterator[str]:
    mode, part = place.mode, place.instruction["part"]
    if place["dtype"] not in [form.code for form in mode.formats]:
        names = [form.name for form in mode.formats]
        yield f"{place.slot}_dtype must be one of {names} in {mode.mode.name.lower()}, not {place['dtype']}"
    if part and not mode.parts:
        yield f"part must be 0 in {mode.mode.name.lower()}, not {part}"


def _movable(place: Place) -> Iterator[str]:
    offset, mode, part = (place.instruction[name] for name in ("exponent_offset", "mode", "part"))
    if not offset:
        return
    movable, kind = place.mode.movable, place.mode.mode.name.lower()
    if not movable:
        yield f"exponent_offset must be 0 in {kind}, not {offset}"
    elif place["dtype"] not in [form.code for form in movable]:
        names = [form.name for form in movable]
        yield f"{place.slot}_dtype must be one of {names} with exponent_offset {offset}, not {place['dtype']}"
    elif part:
        yield f"part must be 0 with exponent_offset {offset}, not {part}"


def _untagged(place: Place) -> Iterator[str]:
    if place.mode.tagged:
        yield f"mode must not be {place.mode.mode.name.lower()}, whose tiles load_sparse loads"


def _addable(place: Place) -> Iterator[str]:
    sums = place.config.tensor.sums
    if place.instruction["accumulate"] and place["dtype"] not in [form.code for form in sums]:
        names = " or ".join(form.name for form in sums)
        yield f"{place.slot}_dtype must be {names} with accumulate, not {place['dtype']}"


TENSOR_READINGS: Readings = {
    OperandRule.TILE: _tile,
    OperandRule.ROW_TILE: _row_tile,
    OperandRule.QUADRANTS: _quadrants,
    OperandRule.GROUPS: _groups,
    OperandRule.WHOLE_GROUPS: _whole_groups,
    OperandRule.AS_PARTITIONS: _as_partitions,
    OperandRule.AS_COLUMNS: _as_columns,
    OperandRule.OF_BITS: _of_bits,
    OperandRule.NONE_WAITS: _none_waits,
    OperandRule.COLUMN_TILE: _column_tile,
    OperandRule.COLUMNS_WITHIN: _columns_within,
    OperandRule.MIXABLE: _mixable,
    OperandRule.SAME_COLUMNS: _same_columns,
    OperandRule.ROWS_ALIGNED: _rows_aligned,
    OperandRule.OF_MODE: _of_mode,
    OperandRule.MOVABLE: _movable,
    OperandRule.UNTAGGED: _untagged,
    OperandRule.ADDABLE: _addable,
}
"""By rule."""
