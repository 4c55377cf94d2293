"""The two forms of a convolution with a kernel for each sample."""

from __future__ import annotations

import pytest
import torch
from helpers import CONVS, close, random_map

from odconv_torch.layers.per_sample import _as_groups, _as_patches, conv_per_sample

GEOMETRIES = (  # kernel, stride, padding, dilation, groups
    ((3, 2, 1), (1, 1, 1), ((0, 0), (0, 0), (0, 0)), (1, 1, 1), 1),
    ((3, 3, 2), (2, 1, 3), ((1, 1), (2, 2), (0, 0)), (1, 1, 1), 2),
    ((2, 3, 2), (1, 2, 1), ((2, 2), (2, 2), (1, 1)), (3, 2, 2), 4),
    ((1, 1, 1), (1, 1, 1), ((0, 0), (0, 0), (0, 0)), (1, 1, 1), 1),
    ((1, 1, 1), (2, 3, 2), ((0, 0), (1, 1), (0, 0)), (1, 1, 1), 2),
)


def problem(rank, geometry, batch=3):
    kernel, stride, padding, dilation, groups = geometry
    x = random_map(rank, 4, batch, requires_grad=True)
    kernels = torch.randn(batch, 8, 4 // groups, *kernel[:rank], dtype=torch.float64)
    return x, kernels.requires_grad_(), (stride[:rank], padding[:rank], dilation[:rank], groups)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("batch", [1, 3])
def test_both_forms_are_convolutions_of_each_sample(rank, geometry, batch):
    x, kernels, options = problem(rank, geometry, batch)
    stride, padding, dilation, groups = options
    sides = [before for before, _ in padding]
    rows = [
        CONVS[rank - 1](x[i : i + 1], kernels[i], None, stride, sides, dilation, groups)
        for i in range(batch)
    ]
    expected = torch.cat(rows)
    slope = torch.randn_like(expected)
    gradients = torch.autograd.grad(expected, (x, kernels), slope)
    for form in (_as_groups, _as_patches, conv_per_sample):
        y = form(x, kernels, *options)
        close(y, expected)
        for found, gradient in zip(
            torch.autograd.grad(y, (x, kernels), slope), gradients, strict=True
        ):
            close(found, gradient)


def test_uneven_padding_is_the_same_in_both_forms(monkeypatch):
    x, kernels, _ = problem(2, GEOMETRIES[0])
    options = ((1, 2), ((0, 2), (1, 0)), (1, 1), 1)
    y = conv_per_sample(x, kernels, *options)
    assert y.shape == (3, 8, 7, 4)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    close(conv_per_sample(x, kernels, *options), y)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_one_kernel_for_all(rank):
    x, kernels, options = problem(rank, GEOMETRIES[1])
    alike = kernels[:1].expand_as(kernels)
    close(conv_per_sample(x, kernels[0], *options), _as_groups(x, alike, *options))


def test_channels_last():
    x, kernels, options = problem(2, GEOMETRIES[1])
    last = x.to(memory_format=torch.channels_last)
    for form in (_as_groups, _as_patches):
        close(form(last, kernels, *options), form(x, kernels, *options))
