"""A registry entry for an unknown model file: what can be read from the file is filled in, the rest is for a person to say."""

from __future__ import annotations

import onnx

from services.analyze.core.decoders import ADAPTERS
from services.analyze.model_file import check_size, digest_of, parse_model
from services.analyze.model_graph import describe, given_inputs, shape_of

_LEVELS = (8, 16, 32)


def template(name: str, body: bytes) -> str:
    """YAML for MODELS/registry.yaml; ``Corrupt`` if the bytes are no model."""
    check_size(body, name)
    model = parse_model(body, f"{name}: {{}}; expected an ONNX model")
    inputs = given_inputs(model)
    first = inputs[0] if inputs else None
    shape = shape_of(first) if first is not None else []
    layout = "nhwc" if len(shape) == 4 and shape[3] == 3 else "nchw"
    height, width = _sides(shape, layout)
    decoder, classes = _guess(model, width, height)
    name_of_input = first.name if first is not None else "<name>"
    how = ", layout: nhwc, dtype: uint8" if layout == "nhwc" else ""
    lines = [
        f"# takes  {'; '.join(describe(value) for value in inputs)}",
        f"# gives  {'; '.join(describe(value) for value in model.graph.output)}",
        "models:",
        f"  - name: {name}",
        "    title: <what it is>",
        f"    decoder: {decoder or '<one of ' + ' '.join(ADAPTERS) + '>'}",
        "    # and colour, scale, mean, std, fit, pad where they are not YOLOX's (BGR, 0-255, at the top left, 114);",
        "    # uncut: true where its scores rest on the padding",
        f'    input: {{ name: "{name_of_input}", width: {width or "<width>"}, height: {height or "<height>"}{how} }}',
        f"    class_count: {classes or '<how many>'}",
        *_by_task(decoder),
        "    licence: <its licence>",
        "    source: <where it comes from>",
        f"    sha256: [{digest_of(body)}]",
        "    assessment: <id of your impact assessment>",
    ]
    return "\n".join(lines) + "\n"


def _by_task(decoder: str) -> list[str]:
    task = ADAPTERS[decoder].task if decoder else "detect"
    if task == "detect":
        return ["    classes: { person: 0 }  # its numbers for what we use: person, or adult and child"]
    return ["    use: masking  # faces may be found only to be masked"] if task == "face" else []


def _sides(shape: list[int | None], layout: str) -> tuple[int | None, int | None]:
    if len(shape) != 4:
        return None, None
    return (shape[1], shape[2]) if layout == "nhwc" else (shape[2], shape[3])


def _guess(model: onnx.ModelProto, width: int | None, height: int | None) -> tuple[str, int | None]:
    """(decoder, class count) by the shapes of the outputs; ("", None) when nothing fits."""
    shapes = [shape_of(value) for value in model.graph.output]
    names = [value.name for value in model.graph.output]
    rows = sum((width // s) * (height // s) for s in _LEVELS) if width and height else None
    match shapes:
        case [[1, count, wide]] if count == rows and wide and wide > 5:
            return "yolox", wide - 5
        case [[1, wide, count]] if count == rows and wide and wide > 4:
            return "yolov8", wide - 4
        case [[1, 1, 17, 3]]:
            return "movenet", 1
        case [[_, 1]]:
            return "fire", 1
        case [[1, wide, high, _]] if height and high == height // 16 and wide and wide > 5:
            return "fastestdet", wide - 5
        case [[_, _, count], [_, _, 4]] if count and count != 2:
            return "rtdetr", count
        case [[_, _], [_, _, 4], [_, _]]:
            return "rtdetr", None
        case [[1, _, 2], [1, _, 4]]:
            return "ultralight", 1
        case _ if len(shapes) == 6 and shapes[3][-1:] == [32]:
            return "nanodet", shapes[0][-1]
        case _ if names[:1] == ["cls_8"] and len(names) == 12:
            return "yunet", 1
    return "", None
