"""Makalu: an open, parameterizable tensor-accelerator core in the class of the AWS NeuronCore.

The packages `makalu.spec`, `makalu.hw`, `makalu.sim_models`, `makalu.sw`, `makalu.examples` and `makalu.constraints` are
the folders of the same names at the top of the repository (docs/decisions/0001-packaging.md, 0011).
"""
