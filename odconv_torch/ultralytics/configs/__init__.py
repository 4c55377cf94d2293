"""Ready YAMLs of models with ODConv in the place of every 3x3 convolution but the stem's and the
head's.

The architectures are those of ultralytics' YOLOv8 and YOLO11; their detection head stays static.
"""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def config_path(name: str) -> Path:
    """The YAML of a model: "yolov8n-od1", "yolov8n-od4", "yolo11n-od1" or "yolo11n-od4".

    Args:
        name: the model, with ODConv of one or of four kernels.

    Returns:
        The path of the file, which `YOLO` takes. ultralytics reads the size of a model from the
        file's name: a copy called `yolov8s-od4.yaml` describes the next larger one.

    Raises:
        ValueError: there is no such file.

    Example:
        >>> config_path("yolo11n-od4").name
        'yolo11n-od4.yaml'
    """
    names = sorted(path.stem for path in _FOLDER.glob("*.yaml"))
    if name not in names:
        raise ValueError(f"name: expected one of {', '.join(names)}, received {name!r}")
    return _FOLDER / f"{name}.yaml"
