"""Weights files of every framework, read and written without the framework."""

from weights_converter.formats.files import is_hdf5, read, write
from weights_converter.formats.names import format_of
from weights_converter.formats.safetensors_shards import write_shards

__all__ = ["format_of", "is_hdf5", "read", "write", "write_shards"]
