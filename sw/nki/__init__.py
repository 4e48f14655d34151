"""Kernel front end in the style of the Neuron Kernel Interface: `nl` (language) and `nisa` (isa), eager recording."""
