"""`python -m benchmarks.finetuning`: what a start from a checkpoint is worth on few images."""
