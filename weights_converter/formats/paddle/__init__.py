"""Weights files of Paddle."""
