"""Weights files of every framework, read and written without the framework."""

from weights_converter.formats.files import read, write
from weights_converter.formats.names import format_of

__all__ = ["format_of", "read", "write"]
