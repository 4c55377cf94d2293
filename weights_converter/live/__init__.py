"""Arrays of live models, a file for each framework."""
