"""Kernel files as their authors wrote them: loading, running, results."""
