"""What to install where a framework is missing."""

from __future__ import annotations

import sys

_WRONG_USAGE = 2
_COMMANDS = ("benchmarks", "odconv_keras", "odconv_paddle", "odconv_torch", "parity_tests")


def missing(error: ModuleNotFoundError, package: str, pip: str) -> ModuleNotFoundError:
    """The error of a package of ours that cannot be imported, to be raised from `error`.

    Python imports `odconv_torch` before it runs `python -m odconv_torch.train`, so the command
    itself has no chance to say what is missing: it ends here, with one line and exit code 2.

    Args:
        error: of importing what is missing.
        package: ours, which needs it.
        pip: what to install, quoted for a shell.

    Raises:
        SystemExit: Python is about to run a command of ours.
    """
    needed = (error.name or str(error)).partition(".")[0]
    sentence = f"{package} needs {needed}, which is not installed: pip install {pip}"
    if _is_starting_a_command():
        sys.stderr.write(f"error: {sentence}\n")
        raise SystemExit(_WRONG_USAGE)
    return ModuleNotFoundError(sentence, name=needed)


def _is_starting_a_command() -> bool:
    """Whether `python -m` is looking for the module, and it is one of ours."""
    # https://docs.python.org/3/using/cmdline.html#cmdoption-m: argv[0] is "-m" until it is found.
    if sys.argv[:1] != ["-m"]:
        return False
    modules = (part.removeprefix("-m") for part in sys.orig_argv)
    return any(module.partition(".")[0] in _COMMANDS for module in modules)
