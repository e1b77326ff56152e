"""Every kind of model: a sound file passes; a hostile, broken or merely other one is refused with what was expected, quickly."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from services.analyze.core.decoders import ADAPTERS
from services.analyze.model_file import MAX_RECORDS, check_model, digest_of, parse_model
from services.analyze.model_template import template
from services.contracts.errors import Corrupt
from tests.harness.onnx_graphs import accepted, blank, entry_for, fixed_model

KINDS = sorted(ADAPTERS)


def sound(kind: str) -> onnx.ModelProto:
    entry = entry_for(kind)
    return fixed_model(entry, blank(entry))


def refused(model: onnx.ModelProto, kind: str = "yolox") -> str:
    return refused_body(model.SerializeToString(), kind)


def refused_body(body: bytes, kind: str = "yolox") -> str:
    started = time.monotonic()
    with pytest.raises(Corrupt) as caught:
        check_model(body, entry_for(kind, digest_of(body)))
    assert time.monotonic() - started < 5, "a bad file is no reason to wait"
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_model_passes(kind: str) -> None:
    check_model(*accepted(sound(kind), entry_for(kind)))


@pytest.mark.parametrize("form", [0, 1])
def test_both_forms_of_rtdetr_pass(form: int) -> None:
    entry = entry_for("rtdetr", input={"size_input": "orig_target_sizes"})
    check_model(*accepted(fixed_model(entry, blank(entry, form)), entry))


def test_a_missing_size_input_is_named() -> None:
    body, _ = accepted(sound("rtdetr"), entry_for("rtdetr"))
    with pytest.raises(Corrupt, match=r"expected .*orig_target_sizes: int64 \[1, 2\]"):
        check_model(body, entry_for("rtdetr", digest_of(body), input={"size_input": "orig_target_sizes"}))


@pytest.mark.parametrize("kind", KINDS)
def test_another_output_is_refused_naming_the_expected_shape_and_type(kind: str) -> None:
    for bend in (wide_output, other_type, one_more, one_less):
        model = sound(kind)
        bend(model)
        message = refused(model, kind)
        assert "model gives" in message and "expected {" in message and "float32 [" in message


@pytest.mark.parametrize("kind", KINDS)
def test_another_input_is_refused_naming_the_expected_shape_and_type(kind: str) -> None:
    model = sound(kind)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    assert "expected {images: float32 [1, 3, 64, 64]}" in refused(model, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_embeds_identity_is_refused_whatever_it_is_called(kind: str) -> None:
    """R-25: a vector of a person fits no decoder, alone or beside what is expected."""
    for keep in (False, True):
        model = sound(kind)
        if not keep:
            del model.graph.output[:]
        model.graph.output.append(helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 256]))
        assert "embedding: float32 [1, 256]" in refused(model, kind)


def wide_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.shape.dim[-1].dim_value += 1


def other_type(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE


def one_more(model: onnx.ModelProto) -> None:
    model.graph.output.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1, 3]))


def one_less(model: onnx.ModelProto) -> None:
    del model.graph.output[-1]


def test_outputs_of_yunet_are_told_by_name_as_their_shapes_are_alike() -> None:
    entry = entry_for("yunet")
    names = [f"{part}_{stride}" for part in ("obj", "cls", "bbox", "kps") for stride in (8, 16, 32)]
    assert "cls_8" in refused(fixed_model(entry, blank(entry), names), "yunet")


# -- weights ----------------------------------------------------------------------------------------------------------------


def weight(model: onnx.ModelProto) -> TensorProto:
    return next(tensor for tensor in model.graph.initializer if tensor.name.endswith("_fixed"))


def too_little(model: onnx.ModelProto) -> None:
    weight(model).raw_data = weight(model).raw_data[:-4]


def too_much(model: onnx.ModelProto) -> None:
    weight(model).raw_data += b"\0" * 4


def nothing_at_all(model: onnx.ModelProto) -> None:
    weight(model).ClearField("raw_data")


def not_a_number(model: onnx.ModelProto) -> None:
    weight(model).raw_data = weight(model).raw_data[:-4] + np.float32(np.nan).tobytes()


def infinite(model: onnx.ModelProto) -> None:
    weight(model).raw_data = np.float32(np.inf).tobytes() + weight(model).raw_data[4:]


def external(model: onnx.ModelProto) -> None:
    weight(model).ClearField("raw_data")
    weight(model).data_location = TensorProto.EXTERNAL
    weight(model).external_data.add(key="location", value="/etc/shadow")


def external_in_a_node(model: onnx.ModelProto) -> None:
    tensor = TensorProto(dims=[1], data_type=TensorProto.FLOAT, name="t", data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../../../proc/self/mem")
    model.graph.node.append(helper.make_node("Constant", [], ["constant"], value=tensor))


def overflowing(model: onnx.ModelProto) -> None:
    weight(model).dims[:] = [1 << 32, 1 << 32]  # 2**64: zero in 64 bits


def zero_times_huge(model: onnx.ModelProto) -> None:
    weight(model).dims[:] = [1 << 62, 0]


def many_dimensions(model: onnx.ModelProto) -> None:
    weight(model).dims[:] = [1] * 5000


def texts(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(helper.make_tensor("words", TensorProto.STRING, [1], [b"x" * 100]))


def sparse(model: onnx.ModelProto) -> None:
    values = helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0])
    indices = helper.make_tensor("i", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [1 << 40]))


def sparse_in_a_node(model: onnx.ModelProto) -> None:
    values = helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0])
    indices = helper.make_tensor("i", TensorProto.INT64, [1], [0])
    bomb = helper.make_sparse_tensor(values, indices, [1 << 40])
    model.graph.node.append(helper.make_node("Constant", [], ["constant"], sparse_value=bomb))


# -- the graph ----------------------------------------------------------------------------------------------------------------


def newer_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 9999


def newer_format(model: onnx.ModelProto) -> None:
    model.ir_version = 9999


def ancient_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 1


def used_foreign_operator(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    model.graph.node[0].domain = "com.microsoft"


def used_classical_operator(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 2))
    model.graph.node[0].domain = "ai.onnx.ml"


def scan(model: onnx.ModelProto) -> None:
    inner = onnx.GraphProto(name="inner")
    model.graph.node.append(helper.make_node("Scan", ["none"], ["scanned"], body=inner, num_scan_inputs=1))


def explosion(model: onnx.ModelProto) -> None:
    """One number, doubled in size forty times."""
    before = "none"
    for round_ in range(40):
        model.graph.node.append(helper.make_node("Concat", [before, before], [f"twice{round_}"], axis=0))
        before = f"twice{round_}"


def many_large(model: onnx.ModelProto) -> None:
    """Each tensor is allowed, all together are not."""
    model.graph.initializer.append(numpy_helper.from_array(np.array([48 << 20], np.int64), "large"))
    for number in range(20):
        model.graph.node.append(helper.make_node("Expand", ["none", "large"], [f"large{number}"]))


@pytest.mark.parametrize(
    ("bend", "says"),
    [
        (too_little, "holds 2348 bytes; expected 2352"), (too_much, "holds 2356 bytes; expected 2352"),
        (nothing_at_all, "holds 0 numbers; expected 588"), (not_a_number, "1 weights that are not finite"),
        (infinite, "not finite"), (external, "lies in '/etc/shadow'; expected all weights inside"),
        (external_in_a_node, "lies in '../../../proc/self/mem'"), (overflowing, "at most"), (zero_times_huge, "at most"),
        (many_dimensions, "at most"), (texts, "expected plain numbers"), (sparse, "sparse"), (sparse_in_a_node, "sparse"),
        (newer_opset, "opset 9999 .* export it with an older opset"), (newer_format, "format 9999"),
        (ancient_opset, "knows opsets 7 to"), (used_foreign_operator, "com.microsoft"),
        (used_classical_operator, "ai.onnx.ml"), (scan, "branch or loop"), (explosion, "at most|hold together"),
        (many_large, "in all"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)  # fmt: skip
def test_a_hostile_model_is_refused_with_the_reason(bend: Callable[[onnx.ModelProto], None], says: str) -> None:
    model = sound("yolox")
    bend(model)
    message = refused(model)
    assert re.search(says, message), message


def test_masks_of_infinity_are_known_of_rtdetr_only() -> None:
    for kind in KINDS:
        model = sound(kind)
        model.graph.initializer.append(numpy_helper.from_array(np.array([-np.inf], np.float32), "mask"))
        if kind == "rtdetr":
            check_model(*accepted(model, entry_for(kind)))
        else:
            assert "'mask'" in refused(model, kind)


def test_a_declared_but_unused_library_is_harmless() -> None:
    model = sound("movenet")
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 2))
    check_model(*accepted(model, entry_for("movenet")))


# -- bytes -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "empty"), (b"PK\x03\x04" + b"\0" * 50, "ZIP archive or a PyTorch checkpoint"),
        (b"\x1c\0\0\0TFL3" + b"\0" * 50, "TensorFlow Lite"), (b"\x1f\x8b\x08" + b"\0" * 50, "gzip"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:8f23\nsize 232589\n", "Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "web page"), (b"\xff" * 1000, "not an ONNX model"),
        (b"\x0a" * 1001, "not an ONNX model|no operators"),
    ],
    ids=lambda value: repr(value)[:12],
)  # fmt: skip
def test_what_is_no_model_is_called_by_its_name(body: bytes, says: str) -> None:
    assert re.search(says, refused_body(body))


def test_deep_nesting_ends_quickly() -> None:
    inner = b""
    for _ in range(2000):  # a graph in an attribute of a node of a graph …
        for tag in (b"\x32", b"\x2a", b"\x0a"):
            inner = tag + _varint(len(inner)) + inner
    refused_body(b"\x08\x08\x3a" + _varint(len(inner)) + inner)


def test_a_file_of_nothing_but_records_is_not_parsed() -> None:
    records = b"\x0a\x00" * (MAX_RECORDS + 10)  # empty nodes: each would cost fifty times its two bytes
    message = refused_body(b"\x08\x08\x3a" + _varint(len(records)) + records)
    assert f"more than {MAX_RECORDS} records" in message


def test_unapproved_bytes_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(*_: object) -> None:
        raise AssertionError("parsed")

    monkeypatch.setattr("services.analyze.model_file.onnx.load_model_from_string", parse)
    with pytest.raises(Corrupt, match="SHA-256"):
        check_model(sound("yolox").SerializeToString(), entry_for("yolox"))


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


# -- the entry an unknown file needs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"rtdetr"}))
def test_an_unknown_file_is_described_with_the_decoder_it_looks_like(kind: str) -> None:
    body = sound(kind).SerializeToString()
    text = template("mine", body)
    assert f"decoder: {kind}\n" in text and digest_of(body) in text and "assessment: <" in text


def test_an_unknown_file_of_no_known_kind_is_described_too() -> None:
    model = sound("yolox")
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 7
    assert "decoder: <one of yolox yolov8" in template("mine", model.SerializeToString())
    assert parse_model(model.SerializeToString(), "{}").graph.name == "fixed"
