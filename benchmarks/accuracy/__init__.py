"""`python -m benchmarks.accuracy`: how well the convolutions learn, by how their heads start."""
