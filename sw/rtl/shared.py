"""A control file with which Verilator compiles a module that occurs many times once, and not once an instance.

Verilator merges functions of a module's instances where they are the same. They never are, because it inlines the
module, or reads in each instance the parent's signal instead of the port that it drives. So a module with several
instances is kept whole, and its inputs keep their place: of a tile with 64 PEs that is an eighth of the C++, at the
same pace (`DATAFLOW` must be given too: those optimisations rename signals instance by instance).
"""

import re
from collections import Counter

__all__ = ["DATAFLOW", "shared_modules"]

DATAFLOW: tuple[str, ...] = ("-fno-dfg",)
"""Verilator's argument that goes with the control file."""
_EVERYWHERE = {"clk", "rst"}
"""Inputs that are the same signal in every instance anyway."""
_MODULE = re.compile(r"(?ms)^module (\S+?) ?\(.*?^endmodule")
_INSTANCE = re.compile(r"(?m)^  (\S+) +\S+ +\($")
_INPUT = re.compile(r"(?m)^  input (?:signed )?(?:\[[^]]*\] )?(\S+);")
_BLOCK = "verilator hier_block"


def shared_modules(verilog: str, *, hierarchical: bool) -> str:
    """The control file for emitted Verilog; with `hierarchical`, blocks that Verilator compiles apart are left out."""
    modules = {found[1]: found[0] for found in _MODULE.finditer(verilog)}
    instances = Counter(name for text in modules.values() for name in _INSTANCE.findall(text) if name in modules)
    rules = ["`verilator_config"]
    for name, count in instances.items():
        if count > 1 and not (hierarchical and _BLOCK in modules[name]):
            module = f'-module "{name.removeprefix(chr(92))}"'
            rules.append(f"no_inline {module}")
            inputs = [port for port in _INPUT.findall(modules[name]) if port not in _EVERYWHERE]
            rules += [f'public_flat_rd {module} -var "{port}"' for port in inputs]
    return "\n".join([*rules, ""])
