"""Blocked matrix multiplication."""
