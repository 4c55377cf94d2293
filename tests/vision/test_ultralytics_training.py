"""Trainings of ultralytics that keep the dynamic convolutions, and their checkpoints elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import onnxruntime
import pytest
import torch
from ultralytics import YOLO
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.utils import dist

from odconv_torch import DyConv2d, ODConv2d, replace_convs
from odconv_torch.ultralytics import config_path, keep, register
from odconv_torch.ultralytics.building import dynamic_paths
from tests.processes import run_process
from tests.vision.yolo import close, predictions, python, stir, train, write_images

TINY = """
nc: 3
backbone:
  - [-1, 1, Conv, [16, 3, 2]]
  - [-1, 1, ODConv2d, [16, 3, 2, {kernel_num: 2}]]
  - [-1, 1, C2f_CondConv, [24, True]]
  - [-1, 1, ODConv2d, [32, 3, 2]]
head:
  - [-1, 1, C3k2_DyConv, [32]]
  - [[2, 4], 1, Detect, [nc]]
"""
STILL = {"optimizer": "SGD", "lr0": 0.0, "warmup_epochs": 0.0, "weight_decay": 0.0}


@pytest.fixture(autouse=True)
def registered():
    register()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("images"))


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory, data):
    """The checkpoint of a training from a YAML with rows."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yaml").write_text(TINY)
    register()
    model = YOLO(str(folder / "tiny.yaml"))
    train(model, folder, data)
    assert len(dynamic_paths(model.trainer.model)) == len(dynamic_paths(model.trainer.ema.ema)) == 6
    return model.trainer.best


VAL = """
import sys
from ultralytics import YOLO
model = YOLO(sys.argv[1])
options = {"imgsz": 64, "device": "cpu", "workers": 0, "plots": False, "project": sys.argv[3]}
print(model.val(data=sys.argv[2], **options).box.map)
print(model.predict(sys.argv[4], imgsz=64, device="cpu", conf=1e-6)[0].boxes.shape)
"""


def test_a_checkpoint_in_another_process(trained, data, tmp_path):
    """Nothing of ours is imported there but by the file, which registers."""
    image = data.parent / "images" / "val" / "0.png"
    run = python(VAL, trained, data, tmp_path, image)
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.splitlines()[-1].startswith("torch.Size([")


def test_a_checkpoint_in_a_process_without_odconv(trained):
    code = f"import sys; sys.modules['odconv_torch'] = None\n{VAL}"
    run = python(code, trained, "none", "none", "none")
    assert run.returncode != 0
    assert "odconv_torch" in run.stderr.splitlines()[-1]
    assert "appears to require 'odconv_torch" in run.stdout + run.stderr


def test_a_training_from_a_checkpoint(trained, data, tmp_path):
    model = YOLO(str(trained))
    before = {path: layer.weight.clone() for path, layer in dynamic_paths(model.model).items()}
    train(model, tmp_path, data, **STILL)
    after = dynamic_paths(model.trainer.model)
    assert after.keys() == before.keys()
    assert all(torch.equal(after[path].weight.half(), before[path].half()) for path in before)


def test_a_training_that_was_broken_off(data, tiny, tmp_path):
    class BrokenOff(Exception):
        pass

    def break_off(trainer):
        if trainer.epoch == 1:
            raise BrokenOff

    model = YOLO(str(tiny))
    model.add_callback("on_train_epoch_end", break_off)
    with pytest.raises(BrokenOff):
        train(model, tmp_path, data, epochs=3)
    kept = {path: layer.spec for path, layer in dynamic_paths(model.model).items()}
    again = YOLO(str(tmp_path / "run" / "weights" / "last.pt"))
    again.train(resume=True)
    assert again.trainer.epoch == 2
    found = dynamic_paths(again.model)
    assert {path: layer.spec for path, layer in found.items()} == kept


def test_onnx(trained, tmp_path):
    """Of batches and maps that were not recorded."""
    file = shutil.copy(trained, tmp_path / "tiny.pt")
    model = YOLO(str(file))
    stir(model.model)
    exported = model.export(format="onnx", imgsz=64, dynamic=True, device="cpu")
    session = onnxruntime.InferenceSession(exported)
    for shape in ((1, 3, 64, 64), (3, 3, 64, 96)):
        x = torch.rand(shape)
        (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        assert close(torch.from_numpy(found), predictions(model.model, x))


def static_yaml(folder):
    text = TINY.replace("C2f_CondConv", "C2f").replace("C3k2_DyConv", "C3k2")
    path = folder / "static.yaml"
    path.write_text(text.replace("ODConv2d", "Conv").replace(", {kernel_num: 2}", ""))
    return path


def by_replacing(model):
    replace_convs(model.model, "od", "3x3", kernel_num=2, reduction=0.25)


def by_hand(model):
    model.model.model[1].conv = DyConv2d.from_static(model.model.model[1].conv)


@pytest.mark.parametrize("change", [by_replacing, by_hand])
def test_what_was_changed_in_memory_is_trained(change, data, tmp_path):
    model = YOLO(str(static_yaml(tmp_path)))
    change(model)
    before = dynamic_paths(model.model)
    train(model, tmp_path, data, **STILL)
    for network in (model.trainer.model, model.trainer.ema.ema, model.model):
        after = dynamic_paths(network)
        assert {path: layer.spec for path, layer in after.items()} == {
            path: layer.spec for path, layer in before.items()
        }
    rounded = {path: layer.weight.half() for path, layer in before.items()}
    assert all(torch.equal(after[path].weight.half(), rounded[path]) for path in rounded)


SILENT = """
import sys
from ultralytics import YOLO
from odconv_torch import replace_convs
from odconv_torch.layers import DynamicConv
model = YOLO(sys.argv[1])
replace_convs(model.model, "od", "3x3", kernel_num=2)
options = {"imgsz": 64, "batch": 8, "workers": 0, "device": "cpu", "plots": False, "epochs": 1}
model.train(data=sys.argv[2], project=sys.argv[3], **options)
print(sum(isinstance(module, DynamicConv) for module in model.trainer.model.modules()))
"""


def test_replacing_registers_by_itself(data, tmp_path):
    """Who only knows `replace_convs` loses nothing either."""
    run = python(SILENT, static_yaml(tmp_path), data, tmp_path)
    assert run.returncode == 0, run.stderr[-3000:]
    assert int(run.stdout.splitlines()[-1]) > 5


def test_a_fixed_convolution_of_the_head_stays_fixed(data, tmp_path):
    model = YOLO(str(static_yaml(tmp_path)))
    replace_convs(model.model, "od")
    train(model, tmp_path, data)
    fixed = model.trainer.model.model[-1].dfl.conv
    assert type(fixed) is torch.nn.Conv2d and not fixed.weight.requires_grad
    assert torch.equal(fixed.weight.flatten(), torch.arange(16.0))


def test_saved_models_that_were_changed_in_memory(data, tmp_path):
    model = YOLO(str(static_yaml(tmp_path)))
    by_hand(model)
    keep(model)
    model.save(str(tmp_path / "mine.pt"))
    run = python(VAL, tmp_path / "mine.pt", data, tmp_path, data.parent / "images/val/1.png")
    assert run.returncode == 0, run.stderr[-3000:]


def test_the_file_for_several_gpus_registers(tiny, data, tmp_path):
    """It is what each process of such a training runs; here one alone, without a GPU."""
    options = {"imgsz": 64, "batch": 8, "workers": 0, "device": "cpu", "plots": False, "epochs": 1}
    overrides = {"model": str(tiny), "data": str(data), "project": str(tmp_path), "name": "run"}
    file = dist.generate_ddp_file(DetectionTrainer(overrides=overrides | options))
    run = python("import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__')", file)
    assert run.returncode == 0, run.stderr[-3000:]
    (best,) = tmp_path.glob("run*/weights/best.pt")
    assert any(type(layer) is ODConv2d for layer in YOLO(str(best)).model.modules())


STEP = """
    import torch
    from torch import distributed
    distributed.init_process_group("gloo")
    trainer.setup_model()
    network = torch.nn.parallel.DistributedDataParallel(trainer.model.train())
    torch.manual_seed(distributed.get_rank())
    outputs = network(torch.rand(2, 3, 64, 64))
    (outputs["boxes"].std() + outputs["scores"].std()).backward()
    layers = [layer for layer in trainer.model.modules() if type(layer).__name__ == "ODConv2d"]
    found = [torch.zeros_like(layers[0].weight) for _ in range(distributed.get_world_size())]
    distributed.all_gather(found, layers[0].weight.grad)
    assert torch.equal(*found) and found[0].any()
    assert len(layers) == 2
    if distributed.get_rank() == 0:
        print("trained by", distributed.get_world_size())
    distributed.destroy_process_group()
"""


def test_two_processes_of_the_file_for_several_gpus_train_one_network(tiny, data, tmp_path):
    """ultralytics itself would take NCCL and a GPU each; here its command and file with gloo."""
    overrides = {"model": str(tiny), "data": str(data), "project": str(tmp_path), "name": "run"}
    trainer = DetectionTrainer(overrides={**overrides, "imgsz": 64, "device": "cpu", "workers": 0})
    trainer.world_size = 2
    command, file = dist.generate_ddp_command(trainer)
    text = Path(file).read_text()
    assert text.count("    trainer.train()\n") == 1
    Path(file).write_text(text.replace("    trainer.train()\n", STEP))
    run = run_process(command, timeout=300)
    assert run.stdout.splitlines()[-1] == "trained by 2"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["yolov8n-od1", "yolov8n-od4", "yolo11n-od1", "yolo11n-od4"])
def test_three_epochs_of_the_ready_models(name, data, tmp_path):
    model = YOLO(str(config_path(name)))
    count = len(dynamic_paths(model.model))
    train(model, tmp_path, data, epochs=3)
    model = YOLO(shutil.copy(model.trainer.best, tmp_path / f"{name}.pt"))
    assert len(dynamic_paths(model.model)) == count
    x = torch.rand(2, 3, 64, 96)
    network = stir(model.model)
    before = predictions(network, x)
    exported = model.export(format="onnx", imgsz=64, dynamic=True, simplify=False, device="cpu")
    session = onnxruntime.InferenceSession(exported)
    for shape in ((1, 3, 64, 64), (2, 3, 64, 96)):
        image = torch.rand(shape)
        (found,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
        assert close(torch.from_numpy(found), predictions(network, image))
    assert close(predictions(network.fuse(verbose=False), x), before)
    run = python(VAL, tmp_path / f"{name}.pt", data, tmp_path, data.parent / "images/val/0.png")
    assert run.returncode == 0, run.stderr[-3000:]
