"""The spelling of stored versions, and which keys there may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.backbone.embedded.object_name import VersionName, new_version_id, parse_file_name
from services.backbone.object_key import MAX_LAST_PART_BYTES, check_key
from services.contracts.errors import Rejected

_NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._=+@-]{0,60}", fullmatch=True)
_VERSIONS = st.builds(
    VersionName,
    name=_NAMES,
    version_id=st.binary(min_size=16, max_size=16).map(bytes.hex),
    size_bytes=st.integers(0, 2**50),
    sha256=st.binary(min_size=32, max_size=32),
    retain_until_ns=st.none() | st.integers(0, 2**63 - 1),
    legal_hold=st.booleans(),
)


@given(_VERSIONS)
def test_a_file_name_tells_all_that_is_known_of_a_version(version: VersionName) -> None:
    assert parse_file_name(version.file_name) == version
    assert len(version.file_name.encode()) <= 255


@given(st.text(max_size=300))
def test_any_other_name_is_no_version(name: str) -> None:
    version = parse_file_name(name)
    assert version is None or version.file_name == name


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=20))
def test_version_ids_rise_whatever_the_clock_does(instants: list[int]) -> None:
    newest: str | None = None
    for instant in instants:
        version_id = new_version_id(instant, newest)
        assert newest is None or version_id > newest
        newest = version_id


@given(st.text(max_size=200))
def test_a_key_that_is_accepted_stays_below_the_root(key: str) -> None:
    try:
        path = check_key(key)
    except Rejected:
        return
    assert str(path) == key
    assert not path.is_absolute() and ".." not in path.parts and not any(part.startswith(".") for part in path.parts)


@pytest.mark.parametrize("key", ["", "/", "a/", "/a", "a//b", ".", "..", "a/../b", ".hidden", "a b", "a~b", "a\n", "é"])
def test_a_key_that_could_be_misread_is_rejected(key: str) -> None:
    with pytest.raises(Rejected):
        check_key(key)


def test_a_last_part_that_no_file_system_could_hold_is_rejected() -> None:
    check_key("a" * MAX_LAST_PART_BYTES)
    with pytest.raises(Rejected):
        check_key("a" * (MAX_LAST_PART_BYTES + 1))
