"""Operands of an instruction: where one may lie, what it may hold, and the rules that it keeps.

The rules of a slot are data beside its row in `isa.py`. The RTL (`hw/sequencer`) and one Python reading
(`sim_models/golden/operand_rules.py`, `tensor_rules.py`) walk them; a rule has one reader in each.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Literal

from .cfp8 import CFP8
from .errors import ErrorCode
from .formats import Format
from .random_bits import STOCHASTIC
from .tensor_types import MIXING

if TYPE_CHECKING:
    from .config import CoreConfig

__all__ = ["EVERY_OPERAND", "RULE_FEATURES", "Operand", "OperandRule", "Space", "counted_elements"]


class Space(IntEnum):
    """Memory of an operand; NONE where the slot is not used."""

    NONE = 0
    SBUF = 1
    PSUM = 2


class OperandRule(Enum):
    """What the operand in a slot keeps."""

    def __init__(self, code: ErrorCode, text: str) -> None:
        self.code, self.text = code, text

    KIND = ErrorCode.OPERAND, "space and element type are among those of the row and the core"
    FILLED = ErrorCode.SIZE, "no size is 0"
    WITHIN = ErrorCode.PARTITION, "first partition + partitions (or columns) does not go beyond the geometry"
    ALIGNED = ErrorCode.ALIGNMENT, "the offset is a multiple of the element"
    IN_SBUF = ErrorCode.SBUF_ADDRESS, "in SBUF: first and last byte lie in the partition"
    IN_PSUM = ErrorCode.PSUM_ADDRESS, "in PSUM: first and last byte lie in the partition"
    BOUNDED = ErrorCode.ELEMENTS, "the sizes, each rounded up to a power of two, multiply to at most the preset's"

    SAME_SIZES = ErrorCode.SIZE, "the sizes are those of the row's first tensor"
    QUARTER_SIZES = ErrorCode.SIZE, "size0 is a quarter of that of the row's first tensor, the other sizes are equal"
    ONE_ELEMENT = ErrorCode.SIZE, "all sizes are 1"
    ONE_LINE = ErrorCode.SIZE, "size1 to size3 are 1"
    TILE = ErrorCode.SIZE, "size0 is at most the PE columns, size3 the rows of the mode, the other sizes are 1"
    ROW_TILE = ErrorCode.SIZE, "size0 is at most the PE columns, the other sizes are 1"
    SAME_COLUMNS = (
        ErrorCode.SIZE,
        "the sizes are those of dst; in double row size3 is 2, in sparse 1 to 4, and that of dst 1",
    )
    AS_PARTITIONS = ErrorCode.SIZE, "size0 is `partitions`, the other sizes are 1"
    AS_COLUMNS = ErrorCode.SIZE, "size0 is `columns`, the other sizes are 1"
    COLUMN_TILE = (
        ErrorCode.PARTITION,
        "the first partition, which is the first PE column, is a multiple of 32, or of a quarter of a smaller core's",
    )
    COLUMNS_WITHIN = (
        ErrorCode.SIZE,
        "`column` is a multiple of 32, or of a quarter of a smaller core's, and with size0 at most the PE columns",
    )
    SAME_PARTITION = ErrorCode.PARTITION, "the first partition is that of dst"
    SAME_SOURCE = ErrorCode.PARTITION, "the first partition is that of src0"
    QUADRANTS = ErrorCode.PARTITION, "in mx first partition and partitions are multiples of 32, or of a smaller core's"
    WHOLE_QUADRANTS = ErrorCode.PARTITION, "first partition and partitions are multiples of 32, or of a smaller core's"
    GROUPS = ErrorCode.PARTITION, "in sparse first partition and partitions are multiples of 4, or of a smaller group's"
    WHOLE_GROUPS = ErrorCode.PARTITION, "first partition and partitions are multiples of 4, or of a smaller group's"
    OF_QUADRANTS = ErrorCode.PARTITION, "the first partition is that of src0, or 4, 8 or 12 above it in its quadrant"
    WORD_ALIGNED = ErrorCode.ALIGNMENT, "the offset is a multiple of the SBUF word"
    UNIT_STRIDE = ErrorCode.ALIGNMENT, "stride0 is 1"
    ROWS_ALIGNED = ErrorCode.ALIGNMENT, "in double row and sparse stride3 is a multiple of the SBUF word"
    ONE_BANK = ErrorCode.PSUM_ADDRESS, "first and last byte lie in one PSUM bank"
    MIXABLE = (
        ErrorCode.OPERAND,
        f"the queue's last load was of its mode (without one: single), in sparse of its size3, and of a type that may"
        f" meet it: {MIXING}",
    )
    OF_MODE = (
        ErrorCode.OPERAND,
        "its type is one of the mode: of double row e5m2, e4m3 or e4m3fn, of mx a packed one, of sparse one of at most"
        " 2 bytes; there part is 0",
    )
    MOVABLE = (
        ErrorCode.OPERAND,
        "with exponent_offset it is e5m2, e4m3 or e3m4, mode is single and part upper: pairs, quads and candidates have"
        " no room for it",
    )
    UNTAGGED = ErrorCode.OPERAND, "mode is not sparse, whose tiles load_sparse loads"
    OF_BITS = ErrorCode.OPERAND, "part is one that carries bits"
    NONE_WAITS = ErrorCode.OPERAND, "the queue's last load has its matmul: a transpose would take the place of its tile"
    ADDABLE = ErrorCode.OPERAND, "with accumulate it is fp32 or bf16: bits that are carried are not added"
    SHORTER = ErrorCode.OPERAND, "rounded stochastically it is a float that is shorter than fp32"
    IN_MEMORY = ErrorCode.MEMORY_ADDRESS, "first and last byte of the memory side lie in the bus's addresses"


def counted_elements(sizes: Iterable[int]) -> int:
    """What BOUNDED counts: the product of the sizes, each rounded up to a power of two."""
    return 1 << sum((size - 1).bit_length() for size in sizes)


EVERY_OPERAND = (
    OperandRule.KIND,
    OperandRule.FILLED,
    OperandRule.WITHIN,
    OperandRule.ALIGNED,
    OperandRule.IN_SBUF,
    OperandRule.IN_PSUM,
    OperandRule.BOUNDED,
)
"""What each operand keeps, whatever its row says."""

RULE_FEATURES: Mapping[OperandRule, str] = {OperandRule.SHORTER: STOCHASTIC, OperandRule.MOVABLE: CFP8}
"""Rules that only a core with a feature can break: elsewhere the bits that they look at are reserved."""

_IMPLIED: Mapping[OperandRule, tuple[OperandRule, ...]] = {
    OperandRule.ONE_ELEMENT: (OperandRule.FILLED, OperandRule.BOUNDED),
    OperandRule.OF_QUADRANTS: (OperandRule.WITHIN,),
    OperandRule.TILE: (OperandRule.BOUNDED,),
    OperandRule.ROW_TILE: (OperandRule.BOUNDED,),
    OperandRule.SAME_SOURCE: (OperandRule.WITHIN,),
    OperandRule.AS_PARTITIONS: (OperandRule.FILLED, OperandRule.BOUNDED),
    OperandRule.AS_COLUMNS: (OperandRule.FILLED, OperandRule.BOUNDED),
    OperandRule.SAME_SIZES: (OperandRule.BOUNDED,),
    OperandRule.QUARTER_SIZES: (OperandRule.FILLED, OperandRule.BOUNDED),
    OperandRule.SAME_COLUMNS: (OperandRule.BOUNDED,),
}
"""Rules that need no look of their own beside another one: `columns` is never above the partitions, and scales end in
a quadrant of partitions that src0 has."""


@dataclass(frozen=True)
class Operand:
    """What an instruction allows in one of its operand slots."""

    spaces: tuple[Space, ...]
    dtypes: tuple[Format, ...]
    own_rules: tuple[OperandRule, ...] = ()
    """Beside those of `EVERY_OPERAND`."""
    scalar: bool = False
    """One element a partition."""
    when: tuple[str, int] | None = None
    """The field and its value with which it is used; with another one the slot is zero."""
    among: Literal["elements", "operands", "outputs", "scales", "tags", "background"] = "elements"
    """Which types of a core it may have: all, those that the array multiplies, or writes, or scales or chooses by, or
    writes beside its sums."""
    written: bool = False
    """It is a destination, although it lies in a source's slot."""
    count: str = "partitions"
    """The field that counts its partitions."""

    def types(self, config: "CoreConfig") -> tuple[Format, ...]:
        """Those of `dtypes` that the core has there."""
        there = config.kinds[self.among]
        return tuple(form for form in self.dtypes if form in there)

    def there(self, config: "CoreConfig") -> bool:
        """A legal instruction may use it."""
        return self.when is None or self.when[0] != "mode" or self.when[1] in config.tensor.modes

    def rules_of(self, config: "CoreConfig") -> tuple[OperandRule, ...]:
        """`rules` that an instruction of the core can break."""
        return tuple(rule for rule in self.rules if RULE_FEATURES.get(rule) in (None, *config.features))

    @property
    def rules(self) -> tuple[OperandRule, ...]:
        """All that must be looked at."""
        implied = {rule for own in self.own_rules for rule in _IMPLIED.get(own, ())}
        return tuple(rule for rule in EVERY_OPERAND if rule not in implied) + self.own_rules
