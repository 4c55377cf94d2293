"""Pickles of a few kilobytes that ask for gigabytes or for hours, in families.

Each function makes the instructions of one value from a number, the size of the attack.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from tests.converter.crafted import call, dict_, name, number, pickled, tensor, text, torch_zip

Family = Callable[[int], bytes]


def put(index: int) -> bytes:
    return b"r" + struct.pack("<I", index)


def get(index: int) -> bytes:
    return b"j" + struct.pack("<I", index)


def listed(*items: bytes) -> bytes:
    return b"](" + b"".join(items) + b"e"


def item(index: int, value: bytes) -> bytes:
    return text(f"n{index}") + value


def items(count: int, value: bytes) -> bytes:
    return b"(" + b"".join(item(i, value) for i in range(count)) + b"u"


def copies(module: str, function: str, count: int) -> bytes:
    """Calls of one function on one long list, each of which copies it."""
    head = listed(b"N" * 30 * count) + put(0) + b"0" + name(module, function) + put(1) + b"0"
    return head + listed(*[get(1) + get(0) + b"\x85R"] * count)


def doubled(count: int) -> bytes:
    """Tuples of tuples, each twice what the last one is."""
    steps = (get(i) + get(i) + b"\x86" + put(i + 1) + b"0" for i in range(min(count, 150)))
    return b"]" + put(0) + b"0" + b"".join(steps) + listed(get(min(count, 150)))


def long_tuples(count: int) -> bytes:
    """Tuples that are made of the same few values, from the memo."""
    row = b"(" + get(0) * 100 + b"t"
    return b"]" + put(0) + b"0" + listed(*[row] * count)


def appended(count: int) -> bytes:
    """One value, appended again and again to lists that lie in each other."""
    return b"]" + put(0) + b"(" + get(0) * 40 * count + b"e"


def set_again(count: int) -> bytes:
    """Dicts of which each is filled from the memo."""
    return b"N" + put(0) + b"0" + listed(*[b"}" + items(8, get(0))] * count)


def empty(instructions: bytes) -> Family:
    return lambda count: listed(instructions * 100 * count)


def called(module: str, function: str, *arguments: bytes) -> Family:
    """Objects, a few bytes each: the name and the arguments are in the memo."""

    def family(count: int) -> bytes:
        head = name(module, function) + put(0) + b"0(" + b"".join(arguments) + b"t" + put(1) + b"0"
        return head + listed(*[get(0) + get(1) + b"R"] * 20 * count)

    return family


def joined_names(count: int) -> bytes:
    """Names of eight kilobytes each, from two texts in the memo."""
    head = text("m" * 4000) + put(0) + b"0" + text("n" * 4000) + put(1) + b"0"
    return head + listed(*[get(0) + get(1) + b"\x93"] * 20 * count)


def attributes(count: int) -> bytes:
    """The attribute of an attribute of an attribute, each name longer by four kilobytes."""
    head = text("n" * 4000) + put(0) + b"0" + name("builtins", "getattr") + put(1) + b"0"
    step = put(2) + b"0" + get(1) + get(2) + get(0) + b"\x86R"
    return head + name("a", "b") + step * count


def encoded(count: int) -> bytes:
    """Bytes from one long text."""
    head = name("_codecs", "encode") + put(0) + b"0(" + text("x" * 4000) + text("latin1") + b"t"
    return head + put(1) + b"0" + listed(*[get(0) + get(1) + b"R"] * 20 * count)


def wide_text(count: int) -> bytes:
    """Text that takes four bytes for each character because of one of them."""
    return listed(*[text("x" * 4000 + "\N{GRINNING FACE}")] * count)


def placed(count: int) -> bytes:
    """Values in the memo, at places far apart."""
    return listed(*[b"N" + put(i << 16) for i in range(min(10 * count, 1 << 16))])


def built(count: int) -> bytes:
    """States for one object."""
    head = name("argparse", "Namespace") + b")\x81" + put(0) + b"0"
    return head + get(0) + b"".join([b"}" + items(8, b"N") + b"b"] * count)


def same_dict(count: int) -> bytes:
    """One large dict under many names."""
    return b"}" + items(20 * count, b"N") + put(0) + b"0}" + items(20 * count, get(0))


def same_tuple(count: int) -> bytes:
    """One large tuple under many names."""
    return b"(" + b"N" * 100 * count + b"t" + put(0) + b"0}" + items(20 * count, get(0))


def keys(make: Callable[[int], bytes]) -> Family:
    return lambda count: b"}(" + b"".join(make(i) + b"N" for i in range(1, 20 * count)) + b"u"


def collide(index: int) -> bytes:
    return number(index * (2**61 - 1))


# What does not need torch's names.
PLAIN: dict[str, Family] = {
    "copies by set": lambda count: copies("builtins", "set", count),
    "copies by frozenset": lambda count: copies("builtins", "frozenset", count),
    "copies by tuple": lambda count: copies("builtins", "tuple", count),
    "copies by tuple of Python 2": lambda count: copies("__builtin__", "tuple", count),
    "copies by list": lambda count: copies("builtins", "list", count),
    "copies by dict": lambda count: copies("builtins", "dict", count),
    "copies by OrderedDict": lambda count: copies("collections", "OrderedDict", count),
    "copies by deque": lambda count: copies("collections", "deque", count),
    "copies by bytearray": lambda count: copies("builtins", "bytearray", count),
    "copies by an unknown call": lambda count: copies("a", "b", count),
    "tuples of tuples": doubled,
    "tuples of one value": long_tuples,
    "appended again": appended,
    "set again": set_again,
    "empty lists": empty(b"]"),
    "empty dicts": empty(b"}"),
    "empty sets": empty(b"\x8f"),
    "empty frozensets": empty(b"(\x91"),
    "tuples of nothing": empty(b")\x85"),
    "lists in lists": empty(b"]K\x01a"),
    "dicts of one": empty(b"}K\x01K\x01s"),
    "sets of one": empty(b"\x8f(K\x01\x90"),
    "numbers": empty(b"M\xff\xff"),
    "objects": lambda count: name("argparse", "Namespace") + put(0) + b"0"
    + listed(*[get(0) + b")\x81"] * 20 * count),
    "OrderedDicts": called("collections", "OrderedDict"),
    "sets by a call": called("builtins", "set"),
    "unknown calls": called("a", "b"),
    "wrong calls": called("numpy", "dtype", text("O")),
    "dtypes": called("numpy", "dtype", text("f4")),
    "arrays without state": called(
        "numpy.core.multiarray", "_reconstruct", name("numpy", "ndarray"), b")", b"N"),
    "names": joined_names,
    "names of attributes": attributes,
    "encoded bytes": encoded,
    "wide text": wide_text,
    "places in the memo": placed,
    "states": built,
    "one dict, many names": same_dict,
    "one tuple, many names": same_tuple,
    "keys that collide": keys(collide),
    "keys that collide, negative": keys(lambda i: number(-i * (2**61 - 1))),
    "keys that collide, floats": keys(lambda i: b"G" + struct.pack(">d", float(2**61 * i))),
    "keys that collide, tuples": keys(lambda i: collide(i) + b"\x85"),
    "keys of powers of two": keys(lambda i: number(i << 40)),
}  # fmt: skip


def module(parts: bytes, parameters: bytes = b"}", buffers: bytes = b"}", **more: bytes) -> bytes:
    state = dict_(_parameters=parameters, _buffers=buffers, _modules=parts, **more)
    return name("torch.nn", "Sequential") + b")\x81" + state + b"b"


def modules_of_one_child(count: int) -> bytes:
    """n parts that are one module of n arrays."""
    child = module(b"}", b"}" + items(4 * count, get(0)))
    return (
        tensor() + put(0) + b"0" + child + put(1) + b"0" + module(b"}" + items(4 * count, get(1)))
    )


def modules_that_double(count: int) -> bytes:
    """Each has the last one twice: 2**n arrays."""
    start = tensor() + put(0) + b"0" + module(b"}", b"}" + items(1, get(0))) + put(1) + b"0"
    depth = min(count, 60)
    steps = (module(b"}" + items(2, get(i + 1))) + put(i + 2) + b"0" for i in range(depth))
    return start + b"".join(steps) + get(depth + 1)


def modules_of_long_names(count: int) -> bytes:
    """One array under names of which each has all those above it in it."""
    inner = tensor() + put(0) + b"0" + module(b"}", b"}" + items(count, get(0)))
    for _ in range(60):
        inner = inner[: inner.index(name("torch.nn", "Sequential"))] + module(
            b"}" + text("n" * 1000) + inner[inner.index(name("torch.nn", "Sequential")) :] + b"s"
        )
    return inner


def modules_of_one_state(count: int) -> bytes:
    """Parts without arrays, all of one long list of what they do not save."""
    unsaved = b"\x8f(" + b"".join(text(f"u{i}") for i in range(10 * count)) + b"\x90"
    child = module(b"}", _non_persistent_buffers_set=unsaved)
    return child + put(1) + b"0" + module(b"}" + items(10 * count, get(1)))


def unsaved_buffers(count: int) -> bytes:
    """As many buffers as names of buffers that are not saved."""
    unsaved = b"\x8f(" + b"".join(text(f"u{i}") for i in range(20 * count)) + b"\x90"
    buffers = b"}" + items(20 * count, get(0))
    return (
        tensor()
        + put(0)
        + b"0"
        + module(b"}", buffers=buffers, _non_persistent_buffers_set=unsaved)
    )


def views(count: int) -> bytes:
    """Tensors that are one."""
    return tensor() + put(0) + b"0}" + items(20 * count, get(0))


def rebuilt(count: int) -> bytes:
    """Tensors over one storage, made from the same arguments again and again."""
    made = tensor((1,), (1,))
    arguments = made[made.index(b"\n_rebuild_tensor_v2\n") + 20 : -1]
    head = name("torch._utils", "_rebuild_tensor_v2") + put(0) + b"0" + arguments + put(1) + b"0"
    return head + b"}" + items(10 * count, get(0) + get(1) + b"R")


def strides_that_collide(count: int) -> bytes:
    """Tensors with equal hashes: nobody uses the stride of an axis of one element."""
    tensors = (item(i, tensor((1,), (i * (2**61 - 1),))) for i in range(1, 4 * count))
    return b"}(" + b"".join(tensors) + b"u"


def state_dicts(count: int) -> bytes:
    """Many state dicts, of which one is to be chosen."""
    one = b"}" + item(0, tensor()) + b"s" + put(0) + b"0"
    return one + b"}" + items(20 * count, get(0))


TORCH: dict[str, Family] = {
    "modules of one child": modules_of_one_child,
    "modules that double": modules_that_double,
    "modules of long names": modules_of_long_names,
    "modules of one state": modules_of_one_state,
    "buffers that are not saved": unsaved_buffers,
    "tensors that are one": views,
    "tensors of one storage": rebuilt,
    "strides that collide": strides_that_collide,
    "state dicts": state_dicts,
}


def paddle_file(family: Family, count: int) -> bytes:
    return pickled(family(count), protocol=4)


def torch_file(family: Family, count: int) -> bytes:
    return torch_zip(pickled(family(count), protocol=4))


def beside_a_state_dict(family: Family, count: int) -> bytes:
    content = dict_(state_dict=dict_(w=tensor()), x=family(count), y=call("a", "b"))
    return torch_zip(pickled(content, protocol=4))
