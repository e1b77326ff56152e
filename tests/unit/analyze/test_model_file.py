"""Model files are programs by strangers: what is wrong with one is said before anything runs it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from services.analyze.core.decoders import yolox
from services.analyze.model_file import check_model, digest_of
from services.analyze.registry import ModelEntry, load_registry
from services.contracts.errors import Corrupt, Rejected

SIDE = 64
ROWS = yolox.rows(SIDE, SIDE)


def entry(*digests: str) -> ModelEntry:
    return ModelEntry.model_validate(
        {
            "name": "toy", "title": "Toy", "decoder": "yolox", "input": {"name": "images", "width": SIDE, "height": SIDE},
            "class_count": 1, "person_class": 0, "licence": "Apache-2.0", "source": "here", "assessment": "PIA-0",
            "url": "https://example.org/toy.onnx", "sha256": list(digests) or ["0" * 64],
        }
    )  # fmt: skip


def toy() -> onnx.ModelProto:
    """A sound detector that finds nothing."""
    shape = numpy_helper.from_array(np.array([1, ROWS, 6], np.int64), "shape")
    pool = helper.make_node("AveragePool", ["images"], ["pooled"], kernel_shape=[SIDE, SIDE])
    first = helper.make_node("Slice", ["pooled", "zero", "one", "axis"], ["first"])
    spread = helper.make_node("Expand", ["first", "four"], ["spread"])
    out = helper.make_node("Reshape", ["spread", "shape"], ["output"])
    numbers = {"zero": [0], "one": [1], "axis": [1], "four": [1, 1, ROWS, 6]}
    constants = [numpy_helper.from_array(np.array(v, np.int64), k) for k, v in numbers.items()]
    graph = helper.make_graph(
        [pool, first, spread, out],
        "toy",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, ROWS, 6])],
        [shape, *constants],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def check(model: onnx.ModelProto) -> None:
    body = model.SerializeToString()
    check_model(body, entry(digest_of(body)))


def test_a_sound_model_with_a_known_digest_passes() -> None:
    check(toy())


def test_a_free_batch_size_is_taken_as_one() -> None:
    model = toy()
    free_input(model)
    check(model)


def test_a_sound_model_with_an_unknown_digest_is_refused_and_both_digests_are_named() -> None:
    body = toy().SerializeToString()
    with pytest.raises(Corrupt, match=f"{digest_of(body)}; expected {'0' * 64} .https://example.org/toy.onnx"):
        check_model(body, entry())


def external_weights(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def custom_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.evil"


def custom_domain(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("ai.onnx.contrib", 1))


def own_functions(model: onnx.ModelProto) -> None:
    model.functions.append(helper.make_function("", "f", [], [], [], [helper.make_opsetid("", 13)]))


def a_loop(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("If", ["zero"], ["x"], then_branch=model.graph, else_branch=model.graph))


def huge_tensor(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[:] = [1 << 20, 1 << 20]


def negative_tensor(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[:] = [-3]


def huge_in_between(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array([1 << 20, 1 << 12], np.int64), "huge"))
    model.graph.node.append(helper.make_node("Expand", ["one_f", "huge"], ["blown"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1.0], np.float32), "one_f"))


def huge_constant_in_a_node(model: onnx.ModelProto) -> None:
    tensor = TensorProto(dims=[1 << 30, 1 << 10], data_type=TensorProto.FLOAT, name="bomb")
    model.graph.node.append(helper.make_node("Constant", [], ["bomb"], value=tensor))


def other_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 999


def free_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"


def second_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def other_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.shape.dim[2].dim_value = 85


def unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "FormatDisk"


def dangling(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = "nowhere"


@pytest.mark.parametrize(
    ("bend", "says"),
    [
        (external_weights, "lies in '../../etc/passwd'; expected all weights inside"),
        (custom_operator, "com.evil"),
        (custom_domain, "ai.onnx.contrib"),
        (own_functions, "functions"),
        (a_loop, "branch or loop"),
        (huge_tensor, "at most"),
        (negative_tensor, "shape"),
        (huge_in_between, "at most|hold together"),
        (huge_constant_in_a_node, "at most"),
        (other_input, "expected"),
        (second_input, "expected"),
        (other_output, "expected"),
        (unknown_operator, "hold together"),
        (dangling, "hold together"),
    ],
)
def test_a_hostile_model_is_refused_with_the_reason(bend: Callable[[onnx.ModelProto], None], says: str) -> None:
    model = toy()
    bend(model)
    with pytest.raises(Corrupt, match=says):
        check(model)


@pytest.mark.parametrize(
    "body", [b"", b"\x00" * 100, b"<html>502</html>", b"\x08\x07", toy().SerializeToString()[:200]], ids=len
)
def test_bytes_that_are_no_model_are_refused(body: bytes) -> None:
    with pytest.raises(Corrupt, match="toy"):
        check_model(body, entry(digest_of(body)))


def test_every_cut_of_a_model_is_refused() -> None:
    body = toy().SerializeToString()
    for length in range(0, len(body), 7):
        with pytest.raises(Corrupt):
            check_model(body[:length], entry())


def test_the_registry_names_licence_assessment_and_digest_of_every_model() -> None:
    for model in load_registry().values():
        assert model.licence and model.assessment and model.sha256
        assert model.url or model.packaged or "commit" in model.source
        assert not {"identity", "embedding", "recognition"} & set(model.title.lower().split())


def test_an_installation_adds_entries_of_its_own(tmp_path) -> None:  # type: ignore[no-untyped-def]
    own = "models:\n" + "\n".join(
        f"  {'- ' if i == 0 else '  '}{line}"
        for i, line in enumerate(
            ["name: mine", "title: Mine", "decoder: yolox", "input: {name: x, width: 192, height: 192}", "class_count: 1",
             "person_class: 0", "licence: MIT", "source: here", f"sha256: [{'a' * 64}]", "assessment: PIA-9"]
        )
    )  # fmt: skip
    (tmp_path / "registry.yaml").write_text(own)
    assert set(load_registry(tmp_path)) == {*load_registry(), "mine"}


@pytest.mark.parametrize(
    ("text", "says"),
    [("models: [", "YAML"), ("models: [{name: x}]", "title"), ("- a", "wrong"), ("models: [{name: 'UPPER'}]", "name")],
)
def test_a_bad_registry_is_refused_with_the_place(tmp_path, text: str, says: str) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "registry.yaml").write_text(text)
    with pytest.raises(Rejected, match=says):
        load_registry(tmp_path)
