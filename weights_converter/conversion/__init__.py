"""From a checkpoint of one framework to a checkpoint of another."""
