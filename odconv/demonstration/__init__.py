"""A small checkpoint that comes with the package, so that there is one to try everything with."""
