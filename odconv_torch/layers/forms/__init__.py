"""The formulations of a dynamic convolution, which agree to rounding and differ in speed."""
