"""The words of ``sim:`` URLs: each is read, each is told again, and the shortest URL says the same."""

from datetime import date

import pytest

from services.contracts.simulated_stream import USUAL_AT_S, SimulatedStream, parse_simulated, simulated_url


def test_every_word_is_read() -> None:
    url = (
        "yard?seed=3&building=magnolia&day=2026-06-05&at=10:15:30&epoch=1772415600.5&speed=60&script=%2Ftmp%2Fa%20b.yaml&rate=2.5"
        "&fps=15&gop_s=2&kbit_s=900&jitter_ms=40&size=320x180&pace=0&mode=hourly"
    )
    assert parse_simulated(url) == SimulatedStream(
        "yard", 3, "magnolia", date(2026, 6, 5), 36_930.0, 1_772_415_600.5, 60.0, "/tmp/a b.yaml", 2.5, 15, 2.0, 900, 40,
        (320, 180), False, "hourly",
    )  # fmt: skip


def test_what_is_not_said_is_usual_and_mid_morning() -> None:
    stream = parse_simulated("room-a")
    assert stream == SimulatedStream("room-a")
    assert 9 * 3600 < USUAL_AT_S == stream.at_s < 11 * 3600


@pytest.mark.parametrize(
    "stream",
    [
        SimulatedStream("nap"),
        SimulatedStream("nap", mode="half-day"),
        SimulatedStream("nap", 4, at_s=36_930.0, script="first-morning"),
        SimulatedStream("yard", size=(320, 180), paced=False, speed=0.5, jitter_ms=7, epoch_s=1_772_415_600.25),
    ],
)
def test_a_written_url_says_the_same(stream: SimulatedStream) -> None:
    assert parse_simulated(simulated_url(stream).removeprefix("sim:")) == stream


def test_a_wrong_word_is_named_with_a_right_one() -> None:
    with pytest.raises(ValueError, match=r"at=noon is wrong; write at=09:40"):
        parse_simulated("nap?at=noon")
    with pytest.raises(ValueError, match=r"mode=half is wrong; write mode=half-day"):
        parse_simulated("nap?mode=half")
    with pytest.raises(ValueError, match=r"knows no word 'frames'.*fps"):
        parse_simulated("nap?frames=3")
