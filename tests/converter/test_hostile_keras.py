"""HDF5 files that point elsewhere, at themselves, or at gigabytes of nothing."""

from __future__ import annotations

import re
import tracemalloc

import h5py
import numpy as np
import pytest

from tests.converter.crafted import written
from weights_converter.errors import ConverterError, DamagedError, RefusedError, UsageError
from weights_converter.formats import read
from weights_converter.formats.files.source import Source
from weights_converter.formats.hdf5.file import Hdf5

SECRET = b"0123456789abcdef"


def external_link(file, folder):
    with h5py.File(folder / "secret.h5", "w") as other:
        other["x"] = np.ones(3)
    file["a/vars/0"] = h5py.ExternalLink("secret.h5", "/x")


def external_storage(file, folder):
    (folder / "secret").write_bytes(SECRET)
    stored = [(str(folder / "secret"), 0, 16)]
    file.create_dataset("a/vars/0", (4,), "f4", external=stored)


def virtual(file, folder):
    with h5py.File(folder / "secret.h5", "w") as other:
        other["x"] = np.ones(3)
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource(folder / "secret.h5", "x", (3,))
    file.create_virtual_dataset("a/vars/0", layout)


def soft_link(file, folder):
    file["a/vars/0"] = np.ones(2)
    file["a/vars/1"] = h5py.SoftLink("/a/vars/0")


def soft_loop(file, folder):
    file["a/vars/0"] = h5py.SoftLink("/a/vars/0")


def hard_cycle(file, folder):
    file["a/vars/0"] = np.ones(2)
    file["a/b"] = file["a"]


def alias(file, folder):
    file["a/vars/0"] = np.ones(2)
    file["b"] = file["a"]


def second_name(file, folder):
    file["a/vars/0"] = np.ones(2)
    file["b/vars/0"] = file["a/vars/0"]


def bomb(file, folder):
    file.create_dataset("a/vars/0", (2**31, 16), "f4", chunks=(2**16, 16), compression="gzip")


def empty_bomb(file, folder):
    file.create_dataset("a/vars/0", (2**31, 16), "f4", fillvalue=1.0)


def many_bombs(file, folder):
    for i in range(40):
        file.create_dataset(f"a/vars/{i}", (10**6,), "f4", fillvalue=1.0)


def chunk_bomb(file, folder):
    file.create_dataset("a/vars/0", (4,), "f4", maxshape=(None,), chunks=(2**25,))


def unknown_filter(file, folder):
    file.create_dataset("a/vars/0", data=np.ones((64, 64)), compression="lzf")


def strings(file, folder):
    file["a/vars/0"] = ["text"]


def compound(file, folder):
    file["a/vars/0"] = np.zeros(2, [("x", "f4"), ("y", "f4")])


def enum(file, folder):
    kind = h5py.enum_dtype({"RED": 0, "GREEN": 7}, "i1")
    file.create_dataset("a/vars/0", (2,), kind)


def opaque(file, folder):
    file["a/vars/0"] = np.zeros(2, "V2")


def reference(file, folder):
    file.create_dataset("a/vars/0", (1,), h5py.ref_dtype)


def complex_numbers(file, folder):
    file["a/vars/0"] = np.zeros(2, "c8")


def no_shape(file, folder):
    file["a/vars/0"] = h5py.Empty("f4")


def wrong_place(file, folder):
    file["a/weights"] = np.ones(2)


def named_type(file, folder):
    file["a/vars/0"] = np.dtype("f4")


def repeated_filter(file, folder):
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((64,))
    for _ in range(3):
        properties.set_deflate(9)
    space = h5py.h5s.create_simple((64,))
    group = file.create_group("a/vars")
    h5py.h5d.create(group.id, b"0", h5py.h5t.NATIVE_FLOAT, space, properties)


def legacy_without_layers(file, folder):
    file["model_weights/a/kernel:0"] = np.ones(2)


def two_kerases(file, folder):
    file["layers/a/vars/0"] = np.ones(2)
    file["_layer_checkpoint_dependencies/a/vars/0"] = np.ones(2)


def deep(file, folder):
    file["/".join("g" * 101)] = np.ones(2)


CASES = {
    external_link: "refused: /a/vars/0 is an ExternalLink, not an object of the file",
    external_storage: "refused: a/vars/0 is stored in other files",
    virtual: "refused: a/vars/0 is made of other arrays",
    soft_link: "refused: /a/vars/1 is a SoftLink, not an object of the file",
    soft_loop: "refused: /a/vars/0 is a SoftLink, not an object of the file",
    hard_cycle: "refused: the group a/b is linked twice",
    alias: "refused: the group b is linked twice",
    second_name: "refused: the array b/vars/0 is linked twice",
    bomb: "refused: it describes more objects than its",
    empty_bomb: "refused: its arrays would take 137438953472 bytes, the file has",
    many_bombs: "refused: its arrays would take 160000000 bytes, the file has",
    chunk_bomb: "refused: a/vars/0 is stored in chunks of 134217728 bytes",
    unknown_filter: "refused: a/vars/0 needs the HDF5 filters [32000]",
    strings: "refused: a/vars/0 has elements of type object",
    compound: "refused: a/vars/0 has elements of type",
    enum: "refused: a/vars/0 has elements of type int8",
    opaque: "refused: a/vars/0 has elements of type |V2",
    reference: "refused: a/vars/0 has elements of type object",
    complex_numbers: "refused: a/vars/0 has elements of type complex64",
    no_shape: "refused: a/vars/0 has an odd shape",
    wrong_place: "refused: it has an array a/weights, which is not one of a layer's variables",
    named_type: "refused: /a/vars/0 is neither a group nor an array",
    repeated_filter: "refused: a/vars/0 needs the HDF5 filters [1, 1, 1]",
    legacy_without_layers: "refused: it has an array model_weights/a/kernel:0, which is not",
    two_kerases: "refused: it has the layers of two versions of Keras",
    deep: "refused: an array has a name of more than 100 parts, g/g/g/",
}


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_refuses(tmp_path, make):
    path = tmp_path / "evil.weights.h5"
    with h5py.File(path, "w") as file:
        make(file, tmp_path)
    with pytest.raises(RefusedError) as error:
        read(path)
    assert str(error.value).startswith(f"evil.weights.h5 {CASES[make]}")


def test_an_optimizer_array_is_checked_before_it_is_dropped(tmp_path):
    with h5py.File(tmp_path / "o.weights.h5", "w") as file:
        file["optimizer/vars/0"] = h5py.ExternalLink("secret.h5", "/x")
    with pytest.raises(RefusedError, match="ExternalLink"):
        read(tmp_path / "o.weights.h5")


def test_a_group_where_an_array_should_be(tmp_path):
    with h5py.File(tmp_path / "g.weights.h5", "w") as file:
        file.create_group("a/vars/0")
    assert not read(tmp_path / "g.weights.h5").tensors


def test_truncated_everywhere(tmp_path):
    with h5py.File(tmp_path / "t.weights.h5", "w") as file:
        file["a/vars/0"] = np.arange(300.0)
        file.attrs["note"] = "text"
    content = (tmp_path / "t.weights.h5").read_bytes()
    for end in range(8, len(content), 97):
        with pytest.raises(DamagedError, match=r"t\.weights\.h5 is damaged: HDF5 cannot read it"):
            read(written(tmp_path, "t.weights.h5", content[:end]))


def test_a_list_of_texts_is_never_read(tmp_path):
    """Four thousand references to one text of a megabyte are four gigabytes."""
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["a/vars/0"] = np.ones(2)
        file.attrs.create("list", ["x" * (1 << 20)] * 3, dtype=h5py.string_dtype())
        dataset = file["a/vars/0"]
        dataset.attrs.create("dtype", ["bfloat16"] * 3, dtype=h5py.string_dtype())
    tracemalloc.start()
    assert read(tmp_path / "t.h5").metadata == {}
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_nothing_is_opened_by_the_library_itself(tmp_path):
    """HDF5 is given bytes, not a path, so it has no folder to look for other files in."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a/vars/0"] = np.ones(2)
    with Hdf5.whole(Source.at(tmp_path / "x.h5")).open() as file:
        assert file.driver == "fileobj"


def test_booleans_that_are_not(tmp_path):
    with h5py.File(tmp_path / "b.weights.h5", "w") as file:
        dataset = file.create_dataset("a/vars/0", data=np.array([False, True, True]))
        dataset.id.write(
            h5py.h5s.ALL, h5py.h5s.ALL, np.array([0, 1, 2], "i1"), dataset.id.get_type()
        )
    with pytest.raises(RefusedError, match="a/vars/0 stores the boolean 2, expected 0 or 1"):
        read(tmp_path / "b.weights.h5").tensors["a/vars/0"].load()


def test_attributes_that_are_no_text_are_left_out(tmp_path):
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        file["a/vars/0"] = np.ones(2)
        file.attrs.update({"text": "yes", "number": 3, "array": np.ones(4), "list": ["a"]})
    assert read(tmp_path / "m.weights.h5").metadata == {"text": "yes"}


def test_there_is_no_key_to_choose(tmp_path):
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        file["a/vars/0"] = np.ones(2)
    with pytest.raises(UsageError, match="there is no key to choose from"):
        read(tmp_path / "m.weights.h5", key="model")


def test_the_messages_are_one_line(tmp_path):
    path = written(tmp_path, "x.weights.h5", b"\x89HDF\r\n\x1a\n" + bytes(500))
    with pytest.raises(ConverterError) as error:
        read(path)
    assert re.fullmatch(r"x\.weights\.h5 is damaged: HDF5 cannot read it: [^\n]+", str(error.value))
