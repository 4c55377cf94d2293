"""Compares models by the outputs of their layers: a process for each run, and a table."""
