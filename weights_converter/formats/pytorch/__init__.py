"""Weights files of PyTorch."""
