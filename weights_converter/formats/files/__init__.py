"""Files: opening, limits, names, replacing."""
