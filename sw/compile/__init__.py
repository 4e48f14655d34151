"""Passes from operations with views to instruction streams; each a function of plain inputs, linear in operations."""
