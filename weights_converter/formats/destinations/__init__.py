"""What is written: one file, a file with its sidecar, or a set with its index; all or nothing."""
