"""Names and axes of arrays: the frameworks' own, other repositories', and the canonical ones."""
