"""Speed and memory beside the static network and the published formulation.

`python -m benchmarks` runs the short selection, `--long` the whole sweep.
"""
