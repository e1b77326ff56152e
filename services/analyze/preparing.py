"""A picture → the input of any model, as its registry entry describes it: size, place, colour, numbers, layout.

Belongs here: the general way, correct for every entry. Does not belong here: the fast way of detectors that watch every camera
(``scaling.py``, ``surgery``), which must agree with this one.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from services.analyze.core.placement import Placement, place
from services.analyze.registry import ModelInput
from services.contracts.errors import Rejected

#: A decoded frame, or (height, width, 3) uint8 in the order blue, green, red.
PictureLike: TypeAlias = VideoFrame | NDArray[np.uint8]


class InputPreparer:
    """Fills one input tensor again and again. Not thread-safe."""

    def __init__(self, wanted: ModelInput) -> None:
        self._wanted = wanted
        self._canvas = np.full((wanted.height, wanted.width, 3), wanted.pad, np.uint8)
        self._placement: Placement | None = None
        #: Per channel: pixel * gain + shift.
        std = np.array(wanted.std, np.float64)
        self._gain = np.asarray(wanted.scale / std, np.float32)
        self._shift = np.asarray(-np.array(wanted.mean, np.float64) / std, np.float32)
        self._tensor: NDArray[Any] = np.zeros(wanted.shape, wanted.dtype)

    def fill(self, picture: PictureLike) -> tuple[NDArray[Any], Placement]:
        """The tensor (valid until the next call) and how the picture lies in it. ``Rejected``: it is no colour picture."""
        pixels = picture.to_ndarray(format="bgr24") if isinstance(picture, VideoFrame) else picture
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or 0 in pixels.shape:
            raise Rejected(f"a picture is uint8 (height, width, 3); this is {pixels.dtype} {pixels.shape}")
        placement = self._placed(pixels.shape[1], pixels.shape[0])
        size = (placement.content_width, placement.content_height)
        content = self._canvas[placement.top : placement.top + size[1], placement.left : placement.left + size[0]]
        np.copyto(content, cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR))
        self._to_tensor()
        return self._tensor, placement

    def _placed(self, width: int, height: int) -> Placement:
        known = self._placement
        if known is None or (known.picture_width, known.picture_height) != (width, height):
            wanted = self._wanted
            self._canvas.fill(wanted.pad)  # nothing of a picture of another size may remain
            self._placement = known = place(width, height, wanted.width, wanted.height, wanted.fit)
        return known

    def _to_tensor(self) -> None:
        ordered = self._canvas[:, :, ::-1] if self._wanted.colour == "rgb" else self._canvas
        target = self._tensor[0] if self._wanted.layout == "nhwc" else self._tensor[0].transpose(1, 2, 0)
        np.copyto(target, ordered)
        if not self._wanted.plain:
            target *= self._gain
            target += self._shift
