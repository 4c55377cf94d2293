"""A package of somebody else, which brings a convolution and a backbone of its own."""
