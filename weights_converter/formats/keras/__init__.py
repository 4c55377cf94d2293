"""Weights files of Keras."""
