"""Arrays: dtypes, casts, digests, distances, and tensors that are still in their file."""
