"""Sizes of the Vector and Scalar engines that no preset changes.

Does not: say what an element becomes (`sim_models/golden/lanes.py`) or when (`docs/blocks/lanes.md`).
"""

__all__ = ["ALU_STAGES", "ELEMENT_BUFFER", "LANE_STAGES", "LIFTED", "SCALES", "SOURCES", "STEPS"]

SOURCES = ("src0", "src1")
"""Operands that an engine reads, in the order in which they are asked for."""
SCALES = "src1"
"""Where an instruction that scales in groups has the destination of the scales; it reads no such source."""

ELEMENT_BUFFER = 4
"""Elements that a lane holds of each source, and how far reads run ahead: 3 cover the memory's latency, 1 is slack."""

STEPS = 2
"""ALU steps of a lane, one behind the other."""
ALU_STAGES = 3
"""Engine cycles of one ALU step, the same for each operation."""

LANE_STAGES = 1 + STEPS * ALU_STAGES + 1
"""Engine cycles from the element buffer to the combining buffer: operands, the ALU steps, function and cast."""

LIFTED = 24
"""log2 of what a subnormal is multiplied by where its exponent is needed: no subnormal of fp32 stays one."""
