"""Speed of the layers beside the framework's own static convolution: `python -m benchmarks`."""
