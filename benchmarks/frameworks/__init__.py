"""How each framework runs a model forward, backward and through a training step.

One module each, imported in the process of a runtime.
"""
