"""Indexes that name files elsewhere, or lie about what is in them."""

from __future__ import annotations

import json

import pytest

from tests.converter.crafted import safetensors, written
from weights_converter.errors import ConverterError, DamagedError, RefusedError
from weights_converter.formats import read

FOUR = safetensors(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4))
FILE = "x.safetensors"


def index(weight_map: object, **more: object) -> bytes:
    return json.dumps({"metadata": {}, "weight_map": weight_map, **more}).encode()


OUTSIDE = "which is not a file beside it"
CASES = {
    "steps out": (index({"a": f"../{FILE}"}), RefusedError,
                  f"refused: it names ../{FILE}, {OUTSIDE}"),
    "absolute": (index({"a": f"/etc/{FILE}"}), RefusedError,
                  f"refused: it names /etc/{FILE}, {OUTSIDE}"),
    "folder": (index({"a": f"b/{FILE}"}), RefusedError,
                  f"refused: it names b/{FILE}, {OUTSIDE}"),
    "backslash": (index({"a": f"..\\{FILE}"}), RefusedError,
                  f"refused: it names ..\\{FILE}, {OUTSIDE}"),
    "drive": (index({"a": f"C:{FILE}"}), RefusedError,
                  f"refused: it names C:{FILE}, {OUTSIDE}"),
    "NUL": (index({"a": f"\0{FILE}"}), RefusedError,
                  f"refused: it names '\\x00{FILE}', {OUTSIDE}"),
    "link": (index({"a": "link.safetensors"}), RefusedError,
             "refused: link.safetensors beside it is a link to another folder"),
    "too many names": (index({"a": FILE, "b": FILE}), RefusedError, f"refused: {FILE} lacks b"),
    "too few names": (index({"b": "two.safetensors"}), RefusedError,
                      "refused: two.safetensors has more than it says: a"),
    "name twice": (b'{"weight_map":{"a":"x.safetensors","a":"x.safetensors"}}', RefusedError,
                   "refused: its index has a twice"),
    "name of an array": (index({"../a": FILE}), RefusedError, "refused: an array is called ../a"),
    "file is a number": (index({"a": FILE, "b": 1}), DamagedError,
                         "is damaged: it gives no file for b"),
    "map is a list": (index([FILE]), DamagedError, "is damaged: it is not an index of safetensors"),
    "more fields": (index({"a": FILE}, evil=1), DamagedError, "is damaged: it is not an index"),
    "not JSON": (b'{"weight_map": {"a": "x.safetensors"', DamagedError,
                 "is damaged: its index is not"),
    "deep": (b'{"a.safetensors":' + b"[" * 100_000, DamagedError,
             "is damaged: its index is not JSON"),
    "itself": (index({"a": "i.safetensors"}), DamagedError, "is damaged: its header"),
    "other JSON": (b'{"a": 1}', DamagedError, "is not a weights file of a known format"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_refuses(tmp_path, case):
    content, kind, fact = CASES[case]
    folder = tmp_path / "folder"
    folder.mkdir()
    written(folder, FILE, FOUR)
    written(tmp_path, FILE, FOUR)
    two = b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[0],'
    written(folder, "two.safetensors", safetensors(two + b'"data_offsets":[0,0]}}', b"\0"))
    (folder / "link.safetensors").symlink_to(tmp_path / FILE)
    path = written(folder, "i.safetensors", content)
    with pytest.raises(ConverterError) as error:
        read(path)
    assert type(error.value) is kind
    assert str(error.value).startswith(f"i.safetensors {fact}")


def test_links_that_go_round(tmp_path):
    (tmp_path / "a.safetensors").symlink_to("b.safetensors")
    (tmp_path / "b.safetensors").symlink_to("a.safetensors")
    with pytest.raises(ConverterError):
        read(written(tmp_path, "i.json", index({"a": "a.safetensors"})))
