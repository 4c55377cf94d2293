"""Pickles, of which nothing is imported or called."""
