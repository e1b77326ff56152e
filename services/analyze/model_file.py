"""Whether a model file may be run: first its digest, then what is inside it, looked at before anything runs it.

An ONNX file is a program: it may name other files to read, carry operators from shared libraries, or ask for terabytes.
Belongs here: the order of the checks, and what a file is that is no model. Its tensors and its graph: ``model_tensors``,
``model_graph``. Running it once within limits: ``trial``. ``Corrupt`` says what was found and what was expected.
"""

from __future__ import annotations

import hashlib

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from services.analyze.model_graph import check_graph
from services.analyze.model_tensors import check_tensors
from services.analyze.registry import ModelEntry
from services.contracts.errors import Corrupt

MAX_FILE_BYTES = 256 * 1024 * 1024
#: A detector has some hundred operators; a file of empty records would cost fifty times its size to parse.
MAX_RECORDS = 100_000
#: How files begin that are often taken for a model.
_OTHER_FILES = (
    (b"version https://git-lfs", 0, "a Git LFS pointer, not the file it stands for; download the file itself"),
    (b"PK\x03\x04", 0, "a ZIP archive or a PyTorch checkpoint; unpack or export it first"),
    (b"TFL3", 4, "a TensorFlow Lite model; convert it to ONNX first"),
    (b"\x1f\x8b", 0, "a gzip archive; unpack it first"),
    (b"\x89HDF", 0, "a Keras HDF5 model; convert it to ONNX first"),
    (b"<", 0, "a web page; the download went wrong"),
)


def digest_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def check_model(body: bytes, entry: ModelEntry) -> None:
    """Raise ``Corrupt`` unless ``body`` is an accepted, self-contained model of the entry's shape.

    The digest comes first: bytes that nobody approved are not even parsed.
    """
    check_size(body, entry.name)
    digest = digest_of(body)
    if digest not in entry.sha256:
        raise Corrupt(
            f"{entry.name}: the file's SHA-256 is {digest}; expected {' or '.join(entry.sha256)} ({_origin(entry)}). "
            f"{_what_it_is(body)}"
        )
    model = parse_model(body, f"{entry.name}: {{}}; expected {_origin(entry)}")
    check_tensors(model, entry)
    check_graph(model, entry)


def check_size(body: bytes, name: str) -> None:
    """Raise ``Corrupt`` if a file is empty or too large to be looked at."""
    if not body:
        raise Corrupt(f"{name}: the file is empty; expected an ONNX model")
    if len(body) > MAX_FILE_BYTES:
        raise Corrupt(f"{name}: the file has {len(body)} bytes; at most {MAX_FILE_BYTES} are allowed")


def parse_model(body: bytes, message: str) -> onnx.ModelProto:
    """The protobuf of a file; ``Corrupt`` with ``message``, its ``{}`` filled in, if it is none."""
    if other := _other_file(body):
        raise Corrupt(message.format(f"the file is {other}"))
    if _too_many_records(body):
        raise Corrupt(message.format(f"the file has more than {MAX_RECORDS} records"))
    try:
        model = onnx.load_model_from_string(body)
    except (DecodeError, ValueError, RuntimeError) as error:
        raise Corrupt(message.format(f"{len(body)} bytes that are not an ONNX model")) from error
    if not model.graph.node or not model.opset_import:
        raise Corrupt(message.format("the file is truncated or empty (no operators)"))
    return model


def _other_file(body: bytes) -> str:
    for mark, place, meaning in _OTHER_FILES:
        if body[place : place + len(mark)] == mark:
            return meaning
    return ""


def _what_it_is(body: bytes) -> str:
    other = _other_file(body)
    if other:
        return f"The file is {other}"
    return "Fetch it again; a build of your own needs an entry of its own in MODELS/registry.yaml"


def _too_many_records(body: bytes) -> bool:
    """Count the records of a model and of its graph (protobuf fields, lengths skipped) without parsing what is in them."""
    count, pending = 0, [(0, len(body), True)]
    while pending:
        at, end, outer = pending.pop()
        while at < end:
            count += 1
            if count > MAX_RECORDS:
                return True
            try:
                field, kind, start, at = _record(body, at)
            except ValueError:
                return False  # no protobuf at all: the parser will say so
            if outer and field == 7 and kind == 2:  # ModelProto.graph
                pending.append((start, min(at, end), False))
    return False


def _record(body: bytes, at: int) -> tuple[int, int, int, int]:
    """(field, wire type, start of its content, end) of the record at a place."""
    tag, at = _varint(body, at)
    kind = tag & 7
    if kind == 0:
        _, end = _varint(body, at)
    elif kind == 2:
        length, at = _varint(body, at)
        end = at + length
    elif kind in (1, 5):
        end = at + (8 if kind == 1 else 4)
    else:
        raise ValueError("no wire type of ONNX")
    return tag >> 3, kind, at, end


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for place in range(at, min(at + 10, len(body))):
        value |= (body[place] & 0x7F) << shift
        if body[place] < 0x80:
            return value, place + 1
        shift += 7
    raise ValueError("a number without an end")


def _origin(entry: ModelEntry) -> str:
    return entry.url or f"the file of {entry.source}"
