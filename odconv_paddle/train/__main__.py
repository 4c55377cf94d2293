"""`python -m odconv_paddle.train`."""

import sys

from odconv_paddle.train import train
from odconv_training import main

if __name__ == "__main__":  # workers of the data pipeline may import this file again
    sys.exit(main("paddle", train))
