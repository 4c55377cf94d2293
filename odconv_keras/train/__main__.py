"""`python -m odconv_keras.train`."""

import sys

from odconv_keras.train import train
from odconv_training import main

if __name__ == "__main__":
    sys.exit(main("keras", train))
