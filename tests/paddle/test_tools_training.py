"""What Paddle puts around layers in training and inference: the same values as without."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from canonical import randomised
from paddle import inference, nn
from paddle.distributed.fleet.utils import recompute
from paddle.static import InputSpec

from odconv_paddle import BatchNorm2D, CondConv2D, DyConv2D, ODConv2D
from odconv_paddle.train.sync_norm import synchronised

NETS = {
    "od": lambda: ODConv2D(4, 6, 3, stride=2),
    "od small maps": lambda: ODConv2D(4, 50, 3, padding=1),
    "dy": lambda: DyConv2D(4, 6, (3, 2)),
    "cond": lambda: CondConv2D(4, 6, 1),
}


@pytest.fixture(params=NETS)
def net(request):
    return randomised(NETS[request.param]())


def gradients(layer, call, x):
    leaf = x.clone().detach()
    leaf.stop_gradient = False
    call(leaf).square().sum().backward()
    found = [leaf.grad, *(p.grad for p in layer.parameters() if not p.stop_gradient)]
    found = [gradient.numpy() for gradient in found]
    layer.clear_gradients()
    return found


def test_recompute(net):
    # In evaluation, because recomputing counts a batch twice in the running statistics.
    net.eval()
    x = paddle.randn([3, 4, 5, 6])
    expected = gradients(net, net, x)
    for a, b in zip(gradients(net, lambda x: recompute(net, x), x), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(b).max())


def test_recompute_in_training(net):
    x = paddle.randn([3, 4, 5, 6])
    expected = gradients(net, net, x)
    for a, b in zip(gradients(net, lambda x: recompute(net, x), x), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(b).max())


def test_weight_norm(net):
    net.eval()
    x = paddle.randn([3, 4, 5, 6])
    expected = net(x).numpy()
    nn.utils.weight_norm(net, dim=1)
    np.testing.assert_allclose(net(x), expected, rtol=1e-4, atol=1e-4)
    assert {"weight_g", "weight_v"} <= set(net.state_dict())
    net.weight_g.set_value(2 * net.weight_g)
    nn.utils.remove_weight_norm(net)
    assert "weight" in net.state_dict()
    if isinstance(net, ODConv2D):  # it has no bias
        np.testing.assert_allclose(net(x), 2 * expected, rtol=1e-4, atol=1e-4)


def test_spectral_norm(net):
    """The bank's kernels as the rows of a matrix, whose largest singular value becomes one."""
    bank = net.weight.numpy()
    nn.utils.spectral_norm(net, n_power_iterations=50)
    net(paddle.randn([3, 4, 5, 6]))
    largest = np.linalg.svd(bank.reshape(len(bank), -1), compute_uv=False)[0]
    np.testing.assert_allclose(net.weight, bank / largest, rtol=1e-3, atol=1e-5)


def test_model_average(net):
    """The mean of the weights after each of three steps."""
    trained = [p for p in net.parameters() if not p.stop_gradient]
    optimiser = paddle.optimizer.SGD(0.01, parameters=trained)
    average = paddle.incubate.ModelAverage(
        0.15, parameters=trained, min_average_window=10, max_average_window=20
    )
    seen = []
    for _ in range(3):
        net(paddle.randn([3, 4, 5, 6])).square().mean().backward()
        optimiser.step()
        average.step()
        optimiser.clear_grad()
        seen.append([p.numpy() for p in trained])
    with average.apply():
        for p, values in zip(trained, zip(*seen, strict=True), strict=True):
            np.testing.assert_allclose(p, np.mean(values, axis=0), rtol=1e-5, atol=1e-6)
    for p, value in zip(trained, seen[-1], strict=True):
        np.testing.assert_array_equal(p, value)


def test_a_predictor_of_another_batch_size(tmp_path):
    net = nn.Sequential(*(randomised(NETS[name]()) for name in ("od", "cond")))
    net[1] = randomised(CondConv2D(6, 5, 1))
    net.eval()
    spec = [InputSpec([None, 4, None, None], "float32")]
    paddle.jit.save(net, str(tmp_path / "net"), input_spec=spec)
    config = inference.Config(str(tmp_path / "net.json"), str(tmp_path / "net.pdiparams"))
    config.disable_glog_info()
    predictor = inference.create_predictor(config)
    for batch in (1, 4):
        x = paddle.randn([batch, 4, 9 + batch, 7])
        given = predictor.get_input_handle(predictor.get_input_names()[0])
        given.reshape(x.shape)
        given.copy_from_cpu(x.numpy())
        predictor.run()
        y = predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu()
        np.testing.assert_allclose(y, net(x), rtol=1e-4, atol=1e-5)


def test_norms_of_all_processes():
    """Paddle's conversion takes our norms for its own, which ours replaces by those with our rules.

    Paddle's has no kernel for CPUs, for its own batch norms neither.
    """
    net = nn.Sequential(ODConv2D(3, 4, 3), BatchNorm2D(4))
    names = list(net.state_dict())
    assert type(synchronised(net)[0].attention.bn).__name__ == "SyncBatchNorm2D"
    assert list(net.state_dict()) == names
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    assert isinstance(converted[0].attention.bn, nn.SyncBatchNorm)
    assert sorted(converted.state_dict()) == sorted(names)
