"""Arrays that stand for a model's own ones, which cannot be had from them alone.

Each is told by the names that the tool gives. The message says what the file is, and how to save
the weights themselves.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from weights_converter.arrays.tensor import Checkpoint
from weights_converter.errors import RefusedError, legible

_SAVE_FLOATS = (
    "convert the checkpoint from before quantisation; what int8 and a scale stand for is rounded"
)


@dataclass(frozen=True)
class StandIn:
    """What a tool stores in the place of weights.

    Attributes:
        what: goes after "has".
        sign: of the end of a name, from the start of a part.
        help: how to save the weights.
        all_of: endings in the place of the sign that must be there as well.
    """

    what: str
    sign: re.Pattern[str]
    help: str
    all_of: tuple[str, ...] = ()

    def examples(self, names: Collection[str]) -> Iterator[str]:
        """The arrays that show it."""
        for name in names:
            match = self.sign.fullmatch(name)
            if match and all(match["path"] + other in names for other in self.all_of):
                yield name


def _stand_in(what: str, ending: str, help: str, *all_of: str) -> StandIn:
    return StandIn(what, re.compile(rf"(?P<path>(?:.+\.)?){ending}"), help, all_of)


STAND_INS = (
    _stand_in(
        "weights under spectral norm",
        r"(?:[^.]+_u|parametrizations\.[^.]+\.\d+\._u)",
        "remove it where the model is built, torch.nn.utils.remove_spectral_norm(module) or "
        "torch.nn.utils.parametrize.remove_parametrizations(module, 'weight'), and save again",
    ),
    _stand_in(
        "parametrized weights",
        r"parametrizations\.[^.]+\.original\d*",
        "torch.nn.utils.parametrize.remove_parametrizations(module, 'weight', "
        "leave_parametrized=True) where the model is built, and save again",
    ),
    _stand_in(
        "pruned weights without their masks, or weights under a hook of another kind",
        r"[^.]+_orig",
        "torch.nn.utils.prune.remove(module, 'weight') where the model is built, and save again",
    ),
    _stand_in(
        "weights under weight norm",
        r"[^.]+_g",
        "remove it where the model is built, torch.nn.utils.remove_weight_norm(module), and save "
        "again",
    ),
    _stand_in(
        "weights that FullyShardedDataParallel has flattened",
        r"_?flat_param(?:_\d+)?",
        "save them whole: torch.distributed.checkpoint.state_dict.get_model_state_dict(model, "
        "options=StateDictOptions(full_state_dict=True))",
    ),
    _stand_in(
        "observers of quantisation",
        r"(?:activation_post_process(?:_\d+)?|weight_fake_quant)\..+",
        "convert the checkpoint from before torch.ao.quantization.prepare, or leave them out, "
        "--ignore '*activation_post_process*'",
    ),
    _stand_in("quantised weights (int8)", "scale", _SAVE_FLOATS, "zero_point"),
    _stand_in("quantised weights (int8)", r"_packed_params\..+", _SAVE_FLOATS),
    _stand_in("weights that bitsandbytes has quantised (int8)", "SCB", _SAVE_FLOATS),
    _stand_in(
        "weights that bitsandbytes has quantised (4 bits)", r"weight\.quant_map", _SAVE_FLOATS
    ),
)
_INTEGERS = frozenset({"I8", "U8"})


def refuse_stand_ins(checkpoint: Checkpoint, targets: Collection[str] = ()) -> None:
    """Raises RefusedError where arrays stand for weights that are not there.

    Names that the model itself has, `targets`, are those of its own arrays.
    """
    own = frozenset(targets)
    for kind in STAND_INS:
        for example in kind.examples(checkpoint.tensors):
            if example not in own:
                file = legible(checkpoint.path.name)
                raise RefusedError(f"{file} has {kind.what}: {legible(example)}", help=kind.help)


def refuse_small_integers(checkpoint: Checkpoint) -> None:
    """Raises RefusedError where a kernel is stored in int8, whatever its name."""
    for name, tensor in checkpoint.tensors.items():
        if tensor.dtype in _INTEGERS and len(tensor.shape) > 1:
            raise RefusedError(
                f"{legible(checkpoint.path.name)} has quantised weights (int8): {legible(name)} "
                f"{tensor.shape} {tensor.dtype}",
                help=_SAVE_FLOATS,
            )
