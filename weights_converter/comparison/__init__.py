"""Compares checkpoints: inspect, verify, diff."""
