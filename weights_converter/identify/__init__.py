"""Which model a checkpoint is of, and its arrays under canonical names."""
