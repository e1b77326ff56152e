"""Parameter sets against values that x264, x265 and ffprobe report for the same streams."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.errors import Corrupt
from services.media import h264, h265
from services.media.access_unit import make_access_unit
from services.media.bits import BitReader, unescape
from services.media.parameter_sets import ParameterSets, read_extradata
from tests.unit.media import material as m

H264 = {  # name: SPS, size, codec string, sample aspect ratio, reorder frames, bit depth
    "baseline": ("6742c00ad9047a1000000300100000030320f1226480", (64, 48), "avc1.42C00A", (1, 1), 0, 8),
    "main cropped": ("674d4028eca03c0113d4d0800000030080000019078c18cb", (1918, 1078), "avc1.4D4028", (1, 1), 2, 8),
    "high": ("6764001facd9405005ba1000000300100000030320f1831960", (1280, 720), "avc1.64001F", (1, 1), 2, 8),
    "high 10": ("676e000aa6cd9447a1000003000100000300320f122596", (64, 48), "avc1.6E000A", (1, 1), 2, 10),
    "4:4:4 cropped": ("67f4000a919b28a4f1f1f0800000030080000019078912cb", (66, 50), "avc1.F4000A", (1, 1), 2, 8),
    "interlaced": ("6764001eacd940b424d8208000000300800000190f8a14cb", (720, 576), "avc1.64001E", (16, 11), 2, 8),
    "scaling lists": ("6764000aacd9447a1000000300100000030320f1225960", (64, 48), "avc1.64000A", (1, 1), 2, 8),
    "hrd": ("6764000bacd9447a1000000300100000030326040030d40061ae4c30078a14cb", (64, 48), "avc1.64000B", (1, 1), 2, 8),
}
H265 = {
    "main": (
        "42010101600000030090000003000003001ea0208105964a924cae6808000003000800000300c840",
        (64, 64), "hvc1.1.6.L30.90", (1, 1), 0, 8,
    ),
    "cropped, scaling lists": (
        "420101016000000300900000030000030078a003c08010e75596565924e578234040000003004000000642",
        (1918, 1078), "hvc1.1.6.L120.90", (16, 11), 2, 8,
    ),
    "main 10": (
        "42010102200000030090000003000003001ea0208104d96566924cae6808000003000800000300c840",
        (64, 64), "hvc1.2.4.L30.90", (1, 1), 2, 10,
    ),
    "hrd, two temporal layers": (
        "42010201600000030090000003000003003c0000a00a080f1659598acd24995cd01000000300100000030196014965e0030d40061af800"
        "c3500186b2", (320, 240), "hvc1.1.6.L60.90", (1, 1), 2, 8,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", H264)
def test_h264_sps(name: str) -> None:
    octets, size, codec, aspect, reorder, depth = H264[name]
    sps = h264.parse_sps(bytes.fromhex(octets))
    assert (sps.width, sps.height) == size
    assert sps.codec_string("avc1") == codec
    assert sps.sample_aspect_ratio == aspect
    assert (sps.reorder_frames, sps.bit_depth_luma) == (reorder, depth)
    assert sps.frame_duration == (2, 50)


@pytest.mark.parametrize("name", H265)
def test_h265_sps(name: str) -> None:
    octets, size, codec, aspect, reorder, depth = H265[name]
    sps = h265.parse_sps(bytes.fromhex(octets))
    assert (sps.width, sps.height) == size
    assert sps.codec_string("hvc1") == codec
    assert sps.sample_aspect_ratio == aspect
    assert (sps.reorder_frames, sps.bit_depth_luma) == (reorder, depth)
    assert sps.frame_duration == (1, 25)


def test_h265_codec_string_of_other_profiles_and_tiers() -> None:
    """ISO/IEC 14496-15 annex E.3: profile space letter, reversed flags, high tier, constraint bytes without trailing zeros."""
    profile = h265.ProfileTierLevel(1, 1, 4, 0x0800_0000, 0x9D08_0000_0000, 153)
    sps = h265.parse_sps(m.SPS_H265)
    made = h265.Sps(**{name: getattr(sps, name) for name in sps.__slots__} | {"profile": profile})
    assert made.codec_string("hev1") == "hev1.A4.10.H153.9D.8"
    bare = h265.ProfileTierLevel(0, 0, 1, 0x6000_0000, 0, 93)
    made = h265.Sps(**{name: getattr(sps, name) for name in sps.__slots__} | {"profile": bare})
    assert made.codec_string("hvc1") == "hvc1.1.6.L93"


def test_reordering_without_vui_is_bounded_by_profile_and_picture_buffer() -> None:
    def sps(profile: int, constraints: int, level: int) -> h264.Sps:
        """A hand-written SPS of 1280x720 without VUI: ids 0, order type 0, 4 reference frames."""
        bits = "1"  # seq_parameter_set_id
        if profile >= 100:
            bits += "010" + "1" + "1" + "0" + "0"  # 4:2:0, 8 bits, no bypass, no scaling lists
        bits += "1" + "1" + "1" + "00101" + "0"  # frame number bits, order type 0, order bits, 4 references, no gaps
        bits += f"{80:013b}" + f"{45:011b}" + "1" + "1" + "0" + "0" + "1"
        octets = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
        return h264.parse_sps(bytes((0x67, profile, constraints, level)) + octets)

    assert (sps(77, 0, 31).width, sps(77, 0, 31).height) == (1280, 720)
    assert sps(77, 0, 31).reorder_frames is None
    assert sps(77, 0, 31).reorder_bound == 5  # 18000 macroblocks / 3600
    assert sps(66, 0, 31).reorder_frames == 0
    assert sps(100, 0x10, 40).reorder_frames == 0
    assert sps(100, 0, 40).reorder_frames is None
    assert sps(100, 0, 40).reorder_bound == 9


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_configuration_record_round_trip(codec: str) -> None:
    if codec == "h264":
        assert h264.parse_avcc(h264.build_avcc([m.SPS_64X48], [m.PPS_64X48])) == (4, m.SETS_H264)
        assert h264.parse_avcc(h264.build_avcc([m.SPS_1280X720_B], [m.PPS_1280X720_B])) == (4, m.SETS_H264_B)
        assert h264.build_avcc([m.SPS_1280X720_B], [m.PPS_1280X720_B])[-4:] == b"\xfd\xf8\xf8\0"
    else:
        for in_band in (False, True):
            record = h265.build_hvcc([m.VPS_H265], [m.SPS_H265], [m.PPS_H265], in_band=in_band)
            assert h265.parse_hvcc(record) == (4, m.SETS_H265)
            assert record[23] & 0x80 == (0 if in_band else 0x80)  # array_completeness


@given(st.binary(max_size=80))
def test_hostile_bytes_are_parsed_or_corrupt(octets: bytes) -> None:
    readers = [
        lambda: h264.parse_sps(b"\x67" + octets), lambda: h264.parse_pps(b"\x68" + octets),
        lambda: h265.parse_sps(b"\x42\1" + octets), lambda: h265.parse_pps(b"\x44\1" + octets),
        lambda: h265.parse_vps_id(b"\x40\1" + octets), lambda: h264.parse_avcc(octets), lambda: h265.parse_hvcc(octets),
        lambda: h264.parse_avcc(b"\1" + octets), lambda: h265.parse_hvcc(b"\1" + octets),
        lambda: h264.slice_pps_id(b"\x65" + octets), lambda: h265.slice_pps_id(b"\x26\1" + octets),
        lambda: read_extradata("h264", octets), lambda: read_extradata("h265", octets),
    ]  # fmt: skip
    for read in readers:
        try:
            read()
        except Corrupt:
            continue


@given(st.data())
def test_flipped_bits_of_a_real_sps_never_crash(data: st.DataObject) -> None:
    for octets, parse in [(bytes.fromhex(each[0]), h264.parse_sps) for each in H264.values()] + [
        (bytes.fromhex(each[0]), h265.parse_sps) for each in H265.values()
    ]:
        bit = data.draw(st.integers(0, 8 * len(octets) - 1))
        flipped = (int.from_bytes(octets, "big") ^ 1 << bit).to_bytes(len(octets), "big")
        try:
            sps = parse(flipped)
        except Corrupt:
            continue
        assert 0 < sps.width <= h264.MAX_SIDE_PX and 0 < sps.height <= h264.MAX_SIDE_PX
        assert 0 <= (sps.reorder_frames or 0) <= 16


def test_exp_golomb_codes() -> None:
    bits = BitReader(bytes([0b10100110, 0b01000010, 0b10000000]))
    assert [bits.ue(), bits.ue(), bits.ue(), bits.ue(), bits.ue()] == [0, 1, 2, 3, 4]
    signed = BitReader(bytes([0b10100110, 0b01000010, 0b10000000]))
    assert [signed.se(), signed.se(), signed.se(), signed.se(), signed.se()] == [0, 1, -1, 2, -2]
    with pytest.raises(Corrupt, match="more than 32 bits"):
        BitReader(bytes(8)).ue()


def test_emulation_prevention_is_removed_once() -> None:
    assert unescape(b"\0\0\3\0\0\3\1\0\0\3") == b"\0\0\0\0\1\0\0"


@pytest.mark.parametrize("kind", range(32))
def test_h264_nal_types(kind: int) -> None:
    nal = bytes((0x60 | kind, 0x88))
    assert h264.is_slice(nal) == (kind in (1, 2, 3, 4, 5))
    assert h264.is_sync((m.AUD, nal)) == (kind == 5)


@pytest.mark.parametrize("kind", range(64))
def test_h265_nal_types(kind: int) -> None:
    nal = bytes((kind << 1, 1, 0x80))
    assert h265.is_slice(nal) == (kind < 32)
    assert h265.is_sync((m.VPS_H265, nal)) == (16 <= kind <= 21)


def test_a_recovery_point_is_no_sync_sample() -> None:
    recovery = bytes.fromhex("0606018480")
    assert not make_access_unit("h264", [recovery, m.slice_nal("h264", sync=False)], pts=0, dts=0, arrival_ns=0).sync


def test_sets_in_force_describe_the_track() -> None:
    sets = ParameterSets("h264")
    idr = m.unit(0, sync=True)
    assert sets.track_for(idr, in_band=False) is None
    assert sets.update(m.SETS_H264)
    track = sets.track_for(idr, in_band=False)
    assert track is not None and (track.sample_entry, track.codec_string) == ("avc1", "avc1.42C00A")
    in_band = sets.track_for(idr, in_band=True)
    assert in_band is not None and in_band.codec_string == "avc3.42C00A"
    sets.update((m.SPS_1280X720_B, m.PPS_1280X720_B))
    changed = sets.track_for(idr, in_band=True)
    assert changed is not None and (changed.width, changed.height) == (1280, 720)


def test_sets_of_other_layers_do_not_come_into_force() -> None:
    sets = ParameterSets("h265")
    sets.update(m.SETS_H265)
    idr = m.unit(0, codec="h265", sync=True)
    before = sets.track_for(idr, in_band=True)
    other_layer = bytes((m.SPS_H265[0], m.SPS_H265[1] | 8)) + bytes.fromhex(H265["main 10"][0])[2:]
    assert not sets.update((other_layer, bytes((m.SPS_H265[0],))))
    assert sets.track_for(idr, in_band=True) == before and sets.unreadable == 0


def test_unreadable_sets_do_not_come_into_force() -> None:
    sets = ParameterSets("h264")
    sets.update((*m.SETS_H264, b"\x67\x64", b"\x68", b"\x67" + bytes(70_000)))
    assert sets.unreadable == 3
    track = sets.track_for(m.unit(0, sync=True), in_band=False)
    assert track is not None and track.width == 64


def test_extradata_tells_how_packets_are_packed() -> None:
    assert read_extradata("h264", b"") == (None, ())
    assert read_extradata("h264", b"\0\0\0\1" + m.SPS_64X48 + b"\0\0\1" + m.PPS_64X48) == (None, m.SETS_H264)
    record = h264.build_avcc([m.SPS_64X48], [m.PPS_64X48])
    assert read_extradata("h264", record) == (4, m.SETS_H264)
    assert read_extradata("h264", record[:4] + b"\xfd" + record[5:])[0] == 2
    with pytest.raises(Corrupt, match="3 bytes"):
        read_extradata("h264", record[:4] + b"\xfe" + record[5:])
