"""How each framework runs a layer forward, one module each."""
