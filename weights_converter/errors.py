"""What can go wrong with a checkpoint: one tree of exceptions, one exit code for each branch."""

from __future__ import annotations

from typing import ClassVar

_LONGEST = 120


class ConverterError(ValueError):
    """The root of every error that this package raises on purpose.

    `str(error)` is one line of fact; `help` is one line of advice, where there is some.

    Example:
        >>> try:
        ...     inspect("nothing.pth")
        ... except ConverterError as error:
        ...     print(f"{type(error).__name__}, exit code {error.exit_code}: {error}")
        FileError, exit code 5: cannot read nothing.pth: No such file or directory
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, fact: str, help: str | None = None) -> None:
        super().__init__(fact)
        self.help = help


class MismatchError(ConverterError):
    """The arrays are not those of the model.

    Example:
        >>> checkpoint = Request("odconv_demo/digits.pth.tar", model="resnet18")
        >>> try:
        ...     convert(checkpoint, "mismatched.npz")
        ... except MismatchError as error:
        ...     print(str(error).partition(",")[0])
        this MobileNetV2 has a stage table of its own
    """

    exit_code = 1


class UsageError(ConverterError):
    """What was asked for does not make sense.

    Example:
        >>> checkpoint = Request("odconv_demo/digits.pth.tar", "odconv_demo/digits.json")
        >>> try:
        ...     convert(checkpoint, "int8.npz", dtype="int8")
        ... except UsageError as error:
        ...     print(error)
        unknown dtype int8
    """

    exit_code = 2


class RefusedError(ConverterError):
    """The file holds something unsafe or unsupported.

    Example:
        >>> import functools, pickle
        >>> from pathlib import Path
        >>> call = pickle.dumps({"state_dict": functools.partial(print, "run")})
        >>> size = Path("refused.pth").write_bytes(call)
        >>> try:
        ...     inspect("refused.pth")
        ... except RefusedError as error:
        ...     print(error)
        refused.pth refused: it calls builtins.print (byte 69). Nothing was executed.
    """

    exit_code = 3


class DamagedError(ConverterError):
    """The file is truncated, corrupt, or not a checkpoint at all.

    Example:
        >>> from pathlib import Path
        >>> size = Path("damaged.npz").write_bytes(b"PK not an archive")
        >>> try:
        ...     inspect("damaged.npz")
        ... except DamagedError as error:
        ...     print(error)
        damaged.npz is not a weights file of a known format
    """

    exit_code = 4


class FileError(ConverterError):
    """A file system error: missing, not readable, exists already, disk full.

    Example:
        >>> checkpoint = Request("odconv_demo/digits.pth.tar", "odconv_demo/digits.json")
        >>> report = convert(checkpoint, "existing.npz")
        >>> try:
        ...     convert(checkpoint, "existing.npz")
        ... except FileError as error:
        ...     print(error)
        existing.npz exists already
    """

    exit_code = 5


def legible(text: str) -> str:
    """`text` as it can stand in a line of ours, whatever a stranger has put into it.

    What can be seen stays as it is. Other characters, such as ends of lines, escape sequences and
    marks that turn the order of letters, are escaped, and the whole is quoted; of long texts the
    middle is left out. All text from a file, and every path, goes through here, once or twice.
    """
    if not text or not text.isprintable():
        text = ascii(text[:_LONGEST] + text[_LONGEST:][-_LONGEST:])
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST // 2]}...{text[3 - _LONGEST // 2 :]}"


def printable(text: str) -> str:
    """Lines of text, in which only the ends of the lines are characters that cannot be seen.

    The last gate of what is printed, and of pages: what reaches it unescaped cannot steer a
    terminal.
    """
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c == "\n" or c.isprintable() else ascii(c)[1:-1] for c in text)
