"""Energy of gates: synthesis into a Debian cell library, a run of the netlist, toggles times the library's energies."""
