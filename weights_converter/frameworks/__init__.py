"""Live models of each framework, one module each, imported when a model of it is given."""
