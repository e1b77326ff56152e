"""The network: a plain convolutional backbone, one pyramid, one head for three strides; output as YOLOX writes it.

Every activation is a ReLU and every layer a dense convolution, because that is what ONNX Runtime runs fastest on a CPU. The stem
sees 6x6 pixels at stride 2, so that colour planes can take the place of colours (services/analyze/surgery).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTH, HEIGHT = 384, 224
STRIDES = (8, 16, 32)
CLASSES = ("adult", "child")
#: Scale of the input, BGR 0-255; folded into the stem when the network is written out. There is no mean to take away: a border
#: of zeros stays what it is, and the stem's normalisation learns the mean.
INPUT_SCALE = 1.0 / 64.0


class Conv(nn.Sequential):
    def __init__(self, wide_in: int, wide_out: int, kernel: int, stride: int = 1) -> None:
        padding = (kernel - stride + 1) // 2 if kernel % 2 == 0 else kernel // 2
        super().__init__(
            nn.Conv2d(wide_in, wide_out, kernel, stride, padding, bias=False),
            nn.BatchNorm2d(wide_out, eps=1e-3, momentum=0.03),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.narrow = Conv(width, width // 2, 1)
        self.widen = Conv(width // 2, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.widen(self.narrow(x))


class Pool(nn.Module):
    """Looks far at the coarsest stride: two poolings of 5x5, one after the other, beside the picture itself (SPPF)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.join = Conv(3 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        near = self.pool(x)
        return self.join(torch.cat([x, near, self.pool(near)], 1))


class NurseryNet(nn.Module):
    """(n, 3, 224, 384) BGR 0-255 → (n, 1764, 4 + 1 + 2): cx, cy, w, h (as YOLOX: before grid and stride), logits."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv(3, 16, 6, 2)
        self.stage2 = nn.Sequential(Conv(16, 32, 3, 2), Residual(32), Residual(32))
        self.stage3 = nn.Sequential(Conv(32, 64, 3, 2), Residual(64), Residual(64))
        self.stage4 = nn.Sequential(Conv(64, 128, 3, 2), Residual(128), Residual(128))
        self.stage5 = nn.Sequential(Conv(128, 144, 3, 2), Pool(144))
        self.lateral = nn.ModuleList([Conv(64, 48, 1), Conv(128, 48, 1), Conv(144, 48, 1)])
        self.smooth = nn.ModuleList([Conv(48, 48, 3), Conv(48, 48, 3)])
        self.kind = Conv(48, 32, 3)
        self.place = nn.Sequential(Conv(48, 48, 3), Conv(48, 48, 3))
        self.kinds = nn.Conv2d(32, len(CLASSES), 1)
        self.boxes = nn.Conv2d(48, 4, 1)
        self.object = nn.Conv2d(48, 1, 1)
        for layer, start in ((self.kinds, -2.0), (self.object, -5.0)):
            nn.init.constant_(layer.bias, start)  # almost every cell sees nobody: begin there

    def forward(self, picture: Tensor) -> Tensor:
        x = self.stage2(self.stem(picture * INPUT_SCALE))
        fine = self.stage3(x)
        middle = self.stage4(fine)
        coarse = self.stage5(middle)
        far = self.lateral[2](coarse)
        mid = self.smooth[1](self.lateral[1](middle) + _twice(far))
        near = self.smooth[0](self.lateral[0](fine) + _twice(mid))
        return torch.cat([self._head(level) for level in (near, mid, far)], 1)

    def _head(self, level: Tensor) -> Tensor:
        place = self.place(level)
        found = torch.cat([self.boxes(place), self.object(place), self.kinds(self.kind(level))], 1)
        return found.flatten(2).transpose(1, 2)


def _twice(level: Tensor) -> Tensor:
    return nn.functional.interpolate(level, scale_factor=2, mode="nearest")


def grid() -> tuple[Tensor, Tensor]:
    """Cell corners (rows, 2) in cells and the stride (rows, 1) of every row of the output."""
    corners, strides = [], []
    for stride in STRIDES:
        y, x = torch.meshgrid(torch.arange(HEIGHT // stride), torch.arange(WIDTH // stride), indexing="ij")
        corners.append(torch.stack([x, y], -1).reshape(-1, 2).float())
        strides.append(torch.full((len(corners[-1]), 1), float(stride)))
    return torch.cat(corners), torch.cat(strides)


def to_boxes(found: Tensor, corners: Tensor, strides: Tensor) -> Tensor:
    """The first four columns as x1, y1, x2, y2 in pixels of the input."""
    centre = (found[..., :2] + corners) * strides
    half = found[..., 2:4].clamp(max=6.0).exp() * strides / 2
    return torch.cat([centre - half, centre + half], -1)
