"""Judges the ONNX file on rendered pictures that it never learned from: average precision at IoU 0.5 of adults and of children.

    python -m bench.nursery_detector.evaluate MODEL.onnx DATASET... [--least-visible 0.25] [--before] [--json]

Boxes are read as the product reads them (``core/decoders/yolox``). People of whom less than ``--least-visible`` is seen, or who
are narrower or lower than 6 pixels of the network's input, are ignored: neither asked for nor forbidden. ``--before`` judges by
the rule of before: of what the picture's border cuts off nothing is missing, and who reaches behind the camera does not exist.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from bench.nursery_detector.average_precision import Picture, average_precision
from bench.report import emit
from services.analyze.core.decoders import yolox

KINDS = ("adult", "child")
LEAST_SIDE_PX = 6.0
_LEAST_SCORE = 0.01
_NMS_IOU = 0.5


def judge(model: Path, folder: Path, least_visible: float, *, before: bool = False) -> dict[str, Any]:
    """One row: average precision of each kind and their mean."""
    pictures = np.load(folder / "pictures.npy", mmap_mode="r")
    people = np.load(folder / "people.npy")
    if before:
        people = people[~np.isnan(people[:, 7])][:, [0, 1, 2, 3, 4, 5, 7]]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options)
    seen: dict[str, list[Picture]] = {kind: [] for kind in KINDS}
    for number in range(len(pictures)):
        around = people[people[:, 0] == number][:, 1:]
        for kind, one in zip(KINDS, judged(session, pictures[number], around, least_visible), strict=True):
            seen[kind].append(one)
    precisions = {kind: average_precision(shown) for kind, shown in seen.items()}
    wanted = {kind: sum(len(one.wanted) for one in shown) for kind, shown in seen.items()}
    return {
        "dataset": folder.name, "pictures": len(pictures),
        **{f"{kind}s": wanted[kind] for kind in KINDS},
        **{f"ap50_{kind}": round(precisions[kind], 4) for kind in KINDS},
        "map50": round(float(np.mean(list(precisions.values()))), 4),
    }  # fmt: skip


def judged(
    session: Any, picture: NDArray[np.uint8], around: NDArray[np.float32], least_visible: float
) -> Iterator[Picture]:
    """What the network finds in one picture beside who is there, kind by kind. ``around`` (n, 6) as in ``people.npy``."""
    height, width = picture.shape[:2]
    tensor = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], dtype=np.float32)
    output = session.run(None, {session.get_inputs()[0].name: tensor})[0]
    found = yolox.decode(output, width, height, classes=(0, 1), score=_LEAST_SCORE, iou=_NMS_IOU, together=True)
    boxes = np.clip(found.boxes, 0, (width, height, width, height)).astype(np.float32)
    sides = np.minimum(around[:, 3] - around[:, 1], around[:, 4] - around[:, 2])
    asked = (around[:, 5] >= least_visible) & (sides >= LEAST_SIDE_PX)
    for kind in range(len(KINDS)):
        mine, wanted = found.classes == kind, asked & (around[:, 0] == kind)
        yield Picture(boxes[mine], found.scores[mine], around[wanted, 1:5], around[~asked, 1:5])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("datasets", type=Path, nargs="+")
    parser.add_argument("--least-visible", type=float, default=0.25)
    parser.add_argument("--before", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = [
        judge(arguments.model, folder, arguments.least_visible, before=arguments.before)
        for folder in arguments.datasets
    ]
    emit("nursery_detector", rows, as_json=arguments.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
