"""A case: operands, what outside oracles say of the result, golden's function, and the operation of the RTL's judge."""

import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.formats import Format
from makalu.sw.rtl.judge import Verdict, judge

__all__ = ["Case", "element_bits", "judged", "lines_of", "nans_as_one", "wrong_on_model"]

Bits = NDArray[Any]


@dataclass(frozen=True)
class Case:
    """Vectors of one operation. Results of every oracle and of golden are bits of `result`; any NaN stands for each."""

    operation: str
    """Of `makalu judge`."""
    operands: tuple[Bits, ...]
    """Columns, in the order of its lines."""
    wants: Mapping[str, Bits]
    """By oracle."""
    golden: Callable[..., Bits]
    """Of the operands."""
    result: Format
    subnormals: str = "keep"

    @property
    def vectors(self) -> int:
        return len(self.operands[0])


def nans_as_one(form: Format, bits: Bits) -> NDArray[np.int64]:
    """Elements with one NaN, the canonical one, and without padding."""
    elements = np.asarray(bits).astype(np.int64) >> form.padding
    if not form.has_nan:
        return elements
    last = form.infinity if form.has_infinity else form.largest
    return np.where((elements & form.magnitude_mask) > last, form.canonical_nan, elements)


def element_bits(form: Format, values: NDArray[np.float64], table: NDArray[np.float64]) -> Bits:
    """Elements of numbers that the format has; `table`: an oracle's values of all codes without a sign, in order."""
    numbers = table[~np.isnan(table)]
    if not (np.diff(numbers) > 0).all():
        raise ValueError(f"{form.name}: codes without a sign must be in the order of their values")
    nan = np.isnan(values)
    magnitudes = np.where(nan, 0, np.abs(values))
    codes = np.searchsorted(numbers, magnitudes)
    if (numbers[np.minimum(codes, len(numbers) - 1)] != magnitudes).any():
        raise ValueError(f"{form.name} must have every number that was rounded to it")
    codes = np.where(nan, form.canonical_nan, codes | np.signbit(values).astype(np.int64) << form.bits - 1)
    return np.asarray(codes << form.padding)


def wrong_on_model(case: Case) -> int:
    """Vectors of which golden and an oracle say different things."""
    got = nans_as_one(case.result, case.golden(*case.operands))
    wrong = [got != nans_as_one(case.result, want) for want in case.wants.values()]
    return int(np.count_nonzero(np.any(wrong, axis=0)))


def lines_of(case: Case) -> list[str]:
    """Of the judge, with what the first oracle says."""
    columns = [column.tolist() for column in (*case.operands, next(iter(case.wants.values())))]
    return [" ".join([case.operation, *map("{:x}".format, row)]) for row in zip(*columns, strict=True)]


def judged(cases: Iterable[Case]) -> Verdict:
    """Cases of one rule for subnormals on the RTL, by every unit that computes them.

    Their lines are mixed, in an order that is the same each time.
    """
    cases = list(cases)
    (subnormals,) = {case.subnormals for case in cases}
    lines = [line for case in cases for line in lines_of(case)]
    with tempfile.TemporaryFile("w+") as vectors:
        vectors.writelines(f"{lines[n]}\n" for n in np.random.default_rng(0).permutation(len(lines)))
        vectors.seek(0)
        return judge(vectors, subnormals=subnormals)
