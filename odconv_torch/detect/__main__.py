"""`python -m odconv_torch.detect`."""

import sys

from odconv_torch.detect.command import main

if __name__ == "__main__":  # workers of the data pipeline may import this file again
    sys.exit(main())
