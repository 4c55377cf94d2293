"""Dynamic convolutions in the models of ultralytics, https://github.com/ultralytics/ultralytics.

from odconv_torch.ultralytics import register

register()
model = YOLO("my-yolov8n.yaml")  # with rows such as [-1, 1, ODConv2d, [128, 3, 2]]

ultralytics is under the AGPL-3.0. Nothing of it is contained here, and `odconv_torch` itself does
not import it. See docs/yolo.md.
"""

from odconv_torch.ultralytics.configs import config_path
from odconv_torch.ultralytics.registration import keep, register

__all__ = ["config_path", "keep", "register"]
