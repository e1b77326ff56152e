"""Camera URLs: what is accepted, what is refused with a right example, and that credentials never show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.simulated_stream import SimulatedStream
from services.contracts.source_url import SourceAddress, parse_source_url, redact_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("rtsp://10.0.0.5/live", SourceAddress("rtsp", "rtsp://10.0.0.5/live")),
        ("RTSP://cam:554/a?b=1", SourceAddress("rtsp", "rtsp://cam:554/a?b=1")),
        ("rtsp://u%40x:p%2F1@cam/a", SourceAddress("rtsp", "rtsp://cam/a", "u@x", "p/1")),
        ("rtsps://[fe80::1]:322/a", SourceAddress("rtsps", "rtsps://[fe80::1]:322/a")),
        ("file:/tmp/a.mp4", SourceAddress("file", "file:/tmp/a.mp4", path="/tmp/a.mp4")),
        ("file:a b.mp4?loop=1", SourceAddress("file", "file:a b.mp4?loop=1", path="a b.mp4", loop=True)),
        ("file:///tmp/a%20b.mp4", SourceAddress("file", "file:///tmp/a%20b.mp4", path="/tmp/a b.mp4")),
        ("sim:playroom", SourceAddress("sim", "sim:playroom", simulated=SimulatedStream("playroom"))),
        ("sim:playroom?seed=7", SourceAddress("sim", "sim:playroom?seed=7", simulated=SimulatedStream("playroom", 7))),
    ],
)
def test_right_urls(url: str, expected: SourceAddress) -> None:
    assert parse_source_url(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "", "cam", "http://cam/a", "rtsp:", "rtsp://", "rtsp:///path", "rtsp://cam:port/a", "rtsp://cam:99999/a",
        "file:", "file:a?loop=2", "file:a?speed=3", "sim:", "sim:Big Room", "sim:a?seed=x", "sim:a?b=1",
        "sim:a?seed=1&seed=2", "sim:a?at=25:00", "sim:a?day=monday", "sim:a?speed=nan", "sim:a?size=321x180", "sim:a?pace=2",
        "sim:a?fps=0", "sim:a?gop_s=0", "sim:a?kbit_s=1e3", "sim:a?building=", "sim:a?&",
    ],
)  # fmt: skip
def test_wrong_urls_are_refused_with_a_right_one(url: str) -> None:
    with pytest.raises(ValueError, match=r"rtsp://|file:PATH|sim:ROOM|malformed"):
        parse_source_url(url)


@pytest.mark.parametrize(
    "url", ["rtsp://admin:geheim@cam:port/a", "http://admin:geheim@cam/", "rtsp://admin:geheim@/x"]
)
def test_an_error_never_shows_the_password(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_source_url(url)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("url", ["rtsp://u:ge/heim@cam", "rtsp://u:ge@heim@cam", "u:geheim@cam", "door=u:geheim@cam/1"])
def test_redaction_removes_a_password_that_makes_no_valid_url(url: str) -> None:
    assert "heim" not in redact_url(url)


@given(st.from_regex(r"[A-Za-z0-9!$&'()*+,;=._~%-]{1,20}", fullmatch=True))
def test_redaction_removes_every_password(password: str) -> None:
    assert redact_url(f"rtsp://user:{password}@cam/a") == "rtsp://***@cam/a"


def test_a_parsed_address_does_not_print_its_password() -> None:
    assert "geheim" not in repr(parse_source_url("rtsp://a:geheim@cam/a"))
