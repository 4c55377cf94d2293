"""The command `odconv`: inspects, converts, compares and evaluates checkpoints, lists models."""
