"""A YAML document with the line of every value, read so that nothing in it is guessed, repeated or executed.

Belongs here: strict parsing and the map from a path of keys to a line. Does not belong here: what the keys mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from services.contracts.errors import NotFound, Rejected, Transient

#: A hundred cameras with zones take about 100 KiB; more than this is not a configuration.
MAX_DOCUMENT_BYTES = 4 * 1024 * 1024
_MAX_DEPTH = 40

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """Plain values and where each stood; ``lines`` counts from 1."""

    name: str
    root: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def where(self, path: KeyPath) -> str:
        """``FILE line N`` of the value at ``path`` or of its nearest ancestor that stands in the document."""
        for length in range(len(path), -1, -1):
            line = self.lines.get(path[:length])
            if line is not None:
                return f"{self.name} line {line}"
        return self.name


def read_document(path: Path) -> Document:
    """Read and parse a file; ``NotFound``, ``Transient`` (cannot be read now) or ``Rejected`` with the line."""
    try:
        with path.open("rb") as source:
            raw = source.read(MAX_DOCUMENT_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFound(f"{path} does not exist; name an existing configuration file") from error
    except (IsADirectoryError, NotADirectoryError, PermissionError) as error:
        raise Rejected(f"{path} cannot be read: {error.strerror}; name a readable YAML file") from error
    except OSError as error:
        raise Transient(f"{path} cannot be read now: {error.strerror}") from error
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise Rejected(f"{path} is larger than {MAX_DOCUMENT_BYTES} bytes; this is not a configuration file")
    return parse_document(raw, str(path))


def parse_document(raw: bytes, name: str) -> Document:
    """Parse one YAML 1.1 document of mappings, sequences and scalars; ``Rejected`` says where and what is wrong."""
    try:
        node = _Composer(raw.decode("utf-8-sig")).get_single_node()
    except UnicodeDecodeError as error:
        raise Rejected(f"{name} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" line {mark.line + 1}" if mark else ""
        raise Rejected(f"{name}{line}: {error.problem or error.context}; this is not valid YAML") from None
    except yaml.YAMLError as error:
        raise Rejected(f"{name}: it holds characters that YAML does not allow") from error
    except RecursionError as error:
        raise Rejected(f"{name}: values are nested too deeply") from error
    lines: dict[KeyPath, int] = {}
    root = None if node is None else _plain(node, (), name, lines)
    return Document(name, root, lines)


class _Composer(yaml.SafeLoader):
    """Refuses aliases: a few lines of them can stand for billions of values."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not allowed here", problem_mark=mark)
        return super().compose_node(parent, index)


def _plain(node: yaml.Node, path: KeyPath, name: str, lines: dict[KeyPath, int]) -> Any:
    lines[path] = node.start_mark.line + 1
    if len(path) > _MAX_DEPTH:
        raise Rejected(f"{name} line {lines[path]}: values are nested too deeply")
    if isinstance(node, yaml.SequenceNode):
        return [_plain(child, (*path, index), name, lines) for index, child in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _plain_mapping(node, path, name, lines)
    return _plain_scalar(node, path, name)


def _plain_mapping(node: yaml.MappingNode, path: KeyPath, name: str, lines: dict[KeyPath, int]) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise Rejected(f"{name} line {line}: a key must be a word")
        key = str(key_node.value)
        if key in mapping:
            first = lines[(*path, key)]
            raise Rejected(f"{name} line {line}: key {key!r} stands here and on line {first}; keep one of them")
        mapping[key] = _plain(value_node, (*path, key), name, lines)
        lines[(*path, key)] = line
    return mapping


def _plain_scalar(node: yaml.Node, path: KeyPath, name: str) -> Any:
    if not node.tag.startswith("tag:yaml.org,2002:"):
        raise Rejected(f"{name} line {node.start_mark.line + 1}: tag {node.tag!r} is not allowed here")
    if node.tag == "tag:yaml.org,2002:timestamp":  # a date is text for us: pydantic fields judge it
        return str(node.value)
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        key = ".".join(str(part) for part in path)
        raise Rejected(f"{name} line {node.start_mark.line + 1}, {key}: the value cannot be read") from error
    finally:
        loader.dispose()
