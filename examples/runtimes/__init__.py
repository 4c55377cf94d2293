"""How a user of each framework loads the converted checkpoint: with that framework's own loader."""
