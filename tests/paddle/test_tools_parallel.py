"""Gradients of two processes under `paddle.DataParallel` against those of one."""

from __future__ import annotations

import os
import sys

import pytest
from train_helpers import ENVIRONMENT, ROOT

from tests.processes import run_process

PROGRAM = """
import numpy as np
import paddle
from odconv_paddle import CondConv2D, DyConv2D, ODConv2D

paddle.distributed.init_parallel_env()
first = 2 * paddle.distributed.get_rank()
for make in (ODConv2D, DyConv2D, CondConv2D):
    paddle.seed(0)
    net, alone = make(4, 6, 3), make(4, 6, 3)
    alone.set_state_dict(net.state_dict())
    net.eval()
    alone.eval()
    x = paddle.randn([4, 4, 6, 7])
    parallel = paddle.DataParallel(net, find_unused_parameters=False)
    parallel(x[first : first + 2]).square().mean().backward()
    alone(x).square().mean().backward()
    for a, b in zip(net.parameters(), alone.parameters()):
        if not a.stop_gradient:
            np.testing.assert_allclose(a.grad, b.grad, rtol=1e-4, atol=1e-6)
    print(make.__name__, "agrees", flush=True)
"""


@pytest.mark.slow
def test_two_processes(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    launch = ["-m", "paddle.distributed.launch", "--nproc_per_node=2", f"--log_dir={tmp_path}"]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    run_process(
        [sys.executable, *launch, str(program)],
        env=os.environ | ENVIRONMENT | {"PYTHONPATH": path},
    )
    for rank in range(2):
        assert (tmp_path / f"workerlog.{rank}").read_text().count("agrees") == 3
