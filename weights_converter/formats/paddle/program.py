"""The names of a program's arrays, which `.pdiparams` stores without any, sorted by their names.

`paddle.jit.save` writes the program beside them: as `.json` since Paddle 3, before as `.pdmodel`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from weights_converter.arrays.dtypes import MOST_AXES, is_shape
from weights_converter.errors import ConverterError, legible
from weights_converter.formats.files.protobuf import fields, last_fields, message, numbers
from weights_converter.formats.files.source import Source
from weights_converter.formats.files.strict_json import parsed
from weights_converter.formats.paddle.calls import NAME_TABLE, PADDLE
from weights_converter.formats.pickles.machine import Machine
from weights_converter.formats.pickles.stream import Stream

PROGRAMS = (".json", ".pdmodel")
_INFO, _STATE = ".pdiparams.info", ".pdparams"
_STRUCTURED = "structured_name"
_LONGEST = 1 << 26
_OF_A_VARIABLE = 48  # objects that the budget counts one as
_DENSE_TENSOR = 7  # of VarType.Type; others are what the program is fed and what it returns


@dataclass(frozen=True)
class Variable:
    """An array of a program."""

    name: str
    shape: tuple[int, ...]


def variables(source: Source) -> list[Variable] | None:
    """Those of the program beside `source`, in the order of the file; None if there is none.

    Raises:
        RefusedError: the program is too large.
        DamagedError: it is not a program.
    """
    stem = source.path.name.partition(".pdiparams")[0]
    for ending in PROGRAMS:
        if (source.path.parent / f"{stem}{ending}").exists():
            program = source.beside(f"{stem}{ending}")
            if program.size > _LONGEST:
                raise program.refused(f"a program of {program.size} bytes")
            raw = program.read(0, program.size)
            found = _from_json if ending == ".json" else _from_protobuf
            try:
                return sorted(found(program, raw), key=lambda variable: variable.name)
            except ConverterError:
                raise
            except ValueError:
                raise program.damaged("it is not a program by Paddle") from None
    return None


def structured_names(source: Source) -> dict[str, str]:
    """The model's own name for each array of the program, as far as a file beside it tells.

    That is `.pdiparams.info`, or the table in a `.pdparams` of the same model.
    """
    stem = source.path.name.partition(".pdiparams")[0]
    for ending in (_INFO, _STATE):
        if (source.path.parent / f"{stem}{ending}").exists():
            beside = source.beside(f"{stem}{ending}")
            with beside.open() as handle:
                content = Machine(Stream(beside, handle, 0, beside.size), PADDLE).run()
            if isinstance(content, dict):
                return dict(_from_info(content) if ending == _INFO else _from_state(content))
    return {}


def _from_info(content: Mapping[object, object]) -> Iterator[tuple[str, str]]:
    """{"conv2d_0.w_0": {"structured_name": "0.weight", ...}, ...}"""
    for name, info in content.items():
        structured = info.get(_STRUCTURED) if isinstance(info, dict) else None
        if isinstance(name, str) and isinstance(structured, str):
            yield name, structured


def _from_state(content: Mapping[object, object]) -> Iterator[tuple[str, str]]:
    """{..., "StructuredToParameterName@@": {"0.weight": "conv2d_0.w_0", ...}}"""
    table = content.get(NAME_TABLE)
    for structured, name in table.items() if isinstance(table, dict) else ():
        if isinstance(name, str) and isinstance(structured, str):
            yield name, structured


def _from_json(program: Source, raw: bytes) -> Iterator[Variable]:
    """Operations "p" of the first block define the parameters: their name and their type."""
    try:
        content = parsed(raw, program.budget)
        operations = content["program"]["regions"][0]["blocks"][0]["ops"]
        parameters = [operation for operation in operations if operation["#"] == "p"]
        names = [[part for part in p["A"] if isinstance(part, str)] for p in parameters]
        shapes = [parameter["O"]["TT"]["D"][1] for parameter in parameters]
    except ConverterError:
        raise
    except (ValueError, TypeError, KeyError, IndexError):
        raise program.damaged("it is not a program by Paddle") from None
    for parts, shape in zip(names, shapes, strict=True):
        if len(parts) != 1:
            raise program.damaged("one of its parameters has no name")
        yield _variable(program, parts[0], shape)


def _from_protobuf(program: Source, raw: bytes) -> Iterator[Variable]:
    """ProgramDesc.blocks = 1, BlockDesc.vars = 3"""
    for number, block in fields(memoryview(raw)):
        if number == 1:
            for inner, value in fields(message(block)):
                if inner == 3:
                    yield from _described(program, message(value))


def _described(program: Source, raw: memoryview) -> Iterator[Variable]:
    """VarDesc: name = 1, type = 2, persistable = 3"""
    values = last_fields(raw)
    kind = last_fields(message(values.get(2)))
    if values.get(3) != 1 or kind.get(1) != _DENSE_TENSOR:
        return
    # VarType.lod_tensor = 3, LoDTensorDesc.tensor = 1, TensorDesc.dims = 2
    tensor = message(last_fields(message(kind.get(3))).get(1))
    dims = (n for number, value in fields(tensor) if number == 2 for n in numbers(value))
    name = bytes(message(values.get(1))).decode("utf-8", "replace")
    yield _variable(program, name, list(islice(dims, MOST_AXES + 1)))


def _variable(program: Source, name: str, shape: object) -> Variable:
    if not isinstance(shape, list) or not is_shape(shape):
        raise program.damaged(f"{legible(name)} has an impossible shape")
    program.budget.charge_objects(_OF_A_VARIABLE + len(shape), text=len(name))
    return Variable(name, tuple(shape))
