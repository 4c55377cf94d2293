"""Speed and memory beside the static network and the published formulation.

`python -m benchmarks` runs the short selection, `--long` the whole sweep.
"""

from importlib.util import find_spec

from odconv_spec.extras import missing

# Asked for rather than imported, which would be in the memory of the processes that are measured.
if find_spec("matplotlib") is None:
    raise missing(ModuleNotFoundError(name="matplotlib"), "benchmarks", "'odconv[train]'")
