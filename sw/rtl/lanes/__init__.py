"""The third simulator: the core's netlist as C++ that evaluates all instances of a module at once."""
