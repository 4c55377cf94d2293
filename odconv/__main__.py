# PYTHON_ARGCOMPLETE_OK
"""`python -m odconv` is the command `odconv`."""

import sys

from odconv.main import main

sys.exit(main())
