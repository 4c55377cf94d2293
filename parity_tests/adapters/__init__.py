"""How each runtime computes a problem, one module each, imported in that runtime's process."""

from parity_tests.adapters.base import Adapter

__all__ = ["Adapter"]
