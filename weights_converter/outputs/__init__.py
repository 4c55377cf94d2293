"""Compares models by what their layers give: a process for each run, and a table."""
