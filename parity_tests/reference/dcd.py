"""Dynamic channel fusion, https://arxiv.org/abs/2103.08756.

For one sample, with the numbers `scale` of the output's channels and the matrix `phi` computed from
means over the sample:

    y = scale * (W convolved with x)  +  P t,     t = norm2(phi q) + q,     q = norm1(Q x)

Q sees the positions that the centre of the kernel W sees.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from odconv_spec import DCDConvSpec, DCDLinearSpec
from parity_tests.reference.functional import conv, global_mean, padding_of
from parity_tests.reference.ops import clip, element, pad, windows
from parity_tests.reference.scope import Scope
from parity_tests.reference.static import norm, static_conv
from parity_tests.reference.tape import Value


def dcd_conv(spec: DCDConvSpec, x: Value, at: Scope) -> Value:
    """(batch, in, *space) to (batch, out, *positions); reports phi and the scale."""
    pooled = halves(x) if spec.pool == 2 else global_mean(x)
    phi, scale = fusion(pooled.reshape(-1, spec.pooled), spec.dim, at)
    y = conv(x, at.under("conv")["weight"], spec.conv())
    y = y * scale.reshape(-1, spec.out_channels, *(1,) * spec.rank)
    one_step = replace(spec.q(), stride=1)  # of the positions that are left
    q = conv(centre(spec, x), at.under(spec.q_path)["weight"], one_step)
    return y + static_conv(spec.p(), fused(phi, q, at), at.under(spec.p_path))


def dcd_linear(spec: DCDLinearSpec, x: Value, at: Scope) -> Value:
    """(batch, in) to (batch, out); reports phi and the scale."""
    x = x.reshape(-1, spec.in_channels)
    phi, scale = fusion(x, spec.dim, at)
    y = x @ at.under("cls")["weight"].T
    y = y + at.under("cls")["bias"] if spec.bias else y
    t = fused(phi, x @ at.under("cls_q")["weight"].T, at)
    return y * scale + t @ at.under("cls_p")["weight"].T


def fusion(pooled: Value, dim: int, at: Scope) -> tuple[Value, Value]:
    """phi, (batch, dim, dim), and the scale, (batch, out), of (batch, pooled)."""
    hidden = pooled @ at.under("fc.0")["weight"].T
    hidden = hidden * gate(hidden @ at.under("fc.1.fc.0")["weight"].T)
    phi = (hidden @ at.under("fc_phi")["weight"].T).reshape(-1, dim, dim)
    scale = gate(hidden @ at.under("fc_scale")["weight"].T)
    at.attentions[at.path] = {"phi": phi, "scale": scale}
    return phi, scale


def fused(phi: Value, q: Value, at: Scope) -> Value:
    """t of the equation, in the shape of q, (batch, dim, *positions)."""
    batch, dim, *positions = q.shape
    q = norm(q, at.under("bn1"))
    flat = q.reshape(batch, dim, prod(positions))
    return norm(phi @ flat, at.under("bn2")).reshape(*q.shape) + q


def gate(logits: Value) -> Value:
    """A sigmoid of straight lines, from 0 to 2."""
    return clip(logits + 3.0, 0.0, 6.0) / 3.0


def centre(spec: DCDConvSpec, x: Value) -> Value:
    """What the centre tap of the kernel sees, (batch, in, *positions)."""
    padded = pad(x, padding_of(spec, x.shape[2:]))
    columns = windows(padded, spec.kernel, spec.strides, spec.dilations)
    tap = np.ravel_multi_index([(taps - 1) // 2 for taps in spec.kernel], spec.kernel)
    return element(columns, 2, int(tap))


def halves(x: Value) -> Value:
    """The means over both halves of each axis of space, which share the middle of an odd one."""
    for axis in range(2, len(x.shape)):
        size = x.shape[axis]
        weights = np.zeros((size, 2))
        weights[: (size + 1) // 2, 0] = weights[size // 2 :, 1] = 1 / ((size + 1) // 2)
        x = along(x, axis, weights)
    return x


def along(x: Value, axis: int, weights: np.ndarray) -> Value:
    """x with an axis, (..., size, ...), multiplied by weights (size, means)."""
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    matrix = x.reshape(prod(before), x.shape[axis], prod(after))
    return (Value(weights.T) @ matrix).reshape(*before, weights.shape[1], *after)
