"""What a pytest entry tells its cocotb bench."""

import json
import os
from typing import Any

__all__ = ["PARAMS_VARIABLE", "bench_params"]

PARAMS_VARIABLE = "MAKALU_BENCH_PARAMS"


def bench_params() -> dict[str, Any]:
    """Inside a bench: the `params` that its entry gave."""
    params: dict[str, Any] = json.loads(os.environ.get(PARAMS_VARIABLE, "{}"))
    return params
