"""Weights files of every framework, read and written without the framework."""

from weights_converter.formats.files.array_names import format_of
from weights_converter.formats.safetensors.write_shards import write_shards
from weights_converter.formats.table import is_hdf5, read, write

__all__ = ["format_of", "is_hdf5", "read", "write", "write_shards"]
