"""Model outputs → findings, one module per kind of model. Pure functions; coordinates are pixels of the model's input.

Every kind is an :class:`Adapter`: what it expects of a file and how it reads what the file gives. Adding a kind means adding a
module here and a line to :data:`ADAPTERS`.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.analyze.core.decoders import (
    fastestdet,
    fire,
    movenet,
    nanodet,
    rtdetr,
    ultralight,
    yolov8,
    yolox,
    yunet,
)
from services.analyze.core.decoders.adapter import Adapter

ADAPTERS: Mapping[str, Adapter] = {
    "yolox": yolox.ADAPTER,
    "yolov8": yolov8.ADAPTER,
    "nanodet": nanodet.ADAPTER,
    "fastestdet": fastestdet.ADAPTER,
    "rtdetr": rtdetr.ADAPTER,
    "movenet": movenet.ADAPTER,
    "fire": fire.ADAPTER,
    "yunet": yunet.ADAPTER,
    "ultralight": ultralight.ADAPTER,
}
