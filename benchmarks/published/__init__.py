"""The dynamic convolutions as they were published, put into our layers and networks.

Everything but the convolution itself is ours, the attentions included, so that nothing else tells
the two apart. One module for each framework.
"""
