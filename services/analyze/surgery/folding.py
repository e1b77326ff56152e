"""The arithmetic of folding a colour conversion and a normalisation into a convolution's kernel. Pure numpy, float64.

A model's first convolution sees ``x = (scale · colour(Y, U, V) - mean) / std`` per channel. BT.601 makes that linear in the
planes: ``x = A · (p - p0)`` with the plane values ``p`` and the plane values ``p0`` of the colour that normalises to zero. The
convolution pads with zeros, which is ``p0``; so subtracting ``p0`` before it and multiplying ``A`` into its kernel is exact up to
the borders. Chroma has half the resolution: a kernel over chroma repeated 2 × 2 equals a smaller kernel over chroma itself,
as long as the stride is even.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kernel = NDArray[np.float64]  # (outputs, inputs, rows, columns)

#: ITU-R BT.601, limited range: rows R, G, B; columns Y - 16, U - 128, V - 128.
BT601 = np.array(
    [
        [255 / 219, 0.0, 255 / 224 * 1.402],
        [255 / 219, -255 / 224 * 1.772 * 0.114 / 0.587, -255 / 224 * 1.402 * 0.299 / 0.587],
        [255 / 219, 255 / 224 * 1.772, 0.0],
    ]
)
#: Plane values of black.
BLACK = np.array([16.0, 128.0, 128.0])


@dataclass(frozen=True, slots=True)
class Colours:
    """What a model's input channels hold: ``(value · scale - mean) / std`` of 0-255 values in ``order``."""

    order: Literal["bgr", "rgb"] = "bgr"
    scale: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def matrix(self) -> NDArray[np.float64]:
        """``A``: (3 channels, 3 planes)."""
        rows = BT601 if self.order == "rgb" else BT601[::-1]
        return np.asarray(rows * self.scale / np.asarray(self.std)[:, None], np.float64)

    def zero(self) -> NDArray[np.float64]:
        """``p0``: the plane values (Y, U, V) that the model sees as zero."""
        rows = BT601 if self.order == "rgb" else BT601[::-1]
        return np.asarray(BLACK + np.linalg.solve(rows, np.asarray(self.mean) / self.scale), np.float64)


@dataclass(frozen=True, slots=True)
class Convolution:
    """A kernel with its stride (rows, columns) and zero padding (top, left, bottom, right)."""

    kernel: Kernel
    stride: tuple[int, int]
    pads: tuple[int, int, int, int]

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        rows, columns = self.kernel.shape[2:]
        top, left, bottom, right = self.pads
        return (height + top + bottom - rows) // self.stride[0] + 1, (width + left + right - columns) // self.stride[
            1
        ] + 1


def focus_as_convolution(kernel: Kernel, pads: tuple[int, int, int, int], order: list[tuple[int, int]]) -> Convolution:
    """YOLOX's stem: pixels dealt into 4 · C channels by (row, column) parity in ``order``, then a k × k kernel of stride 1.

    The same as one 2k × 2k kernel of stride 2 over the pixels themselves.
    """
    outputs, inputs, rows, columns = kernel.shape
    channels = inputs // 4
    whole = np.zeros((outputs, channels, 2 * rows, 2 * columns))
    for index, (row, column) in enumerate(order):
        whole[:, :, row::2, column::2] = kernel[:, index * channels : (index + 1) * channels]
    top, left, bottom, right = pads
    return Convolution(whole, (2, 2), (2 * top, 2 * left, 2 * bottom, 2 * right))


def fold_colours(convolution: Convolution, colours: Colours) -> tuple[Convolution, Convolution]:
    """The same over planes at full resolution: (over Y, over U and V)."""
    planes = np.einsum("ocyx,cp->opyx", convolution.kernel, colours.matrix())
    return (
        Convolution(planes[:, :1], convolution.stride, convolution.pads),
        Convolution(planes[:, 1:], convolution.stride, convolution.pads),
    )


def halve(convolution: Convolution, height: int, width: int) -> Convolution | None:
    """The kernel over planes of half the size (``height`` and ``width`` are those of the repeated planes, even).

    ``None`` where there is none: an odd stride sees repeated pixels in two alignments by turns.
    """
    if height % 2 or width % 2 or convolution.stride[0] % 2 or convolution.stride[1] % 2:
        return None
    (rows, top), (columns, left) = (
        _tap_places(convolution.kernel.shape[2 + axis], convolution.pads[axis]) for axis in (0, 1)
    )
    small = np.zeros((*convolution.kernel.shape[:2], rows[-1] + 1, columns[-1] + 1))
    for y, row in enumerate(rows):
        for x, column in enumerate(columns):
            small[:, :, row, column] += convolution.kernel[:, :, y, x]
    stride = convolution.stride[0] // 2, convolution.stride[1] // 2
    out = convolution.output_size(height, width)
    bottom, right = (
        max(0, (out[axis] - 1) * stride[axis] + small.shape[2 + axis] - before - (height, width)[axis] // 2)
        for axis, before in ((0, top), (1, left))
    )
    halved = Convolution(small, stride, (top, left, bottom, right))
    return halved if halved.output_size(height // 2, width // 2) == out else None


def _tap_places(taps: int, pad: int) -> tuple[list[int], int]:
    """Where each tap falls in the small kernel, and how much padding that needs before the first row."""
    places = [(tap - pad) // 2 for tap in range(taps)]
    return [place - places[0] for place in places], -places[0]
