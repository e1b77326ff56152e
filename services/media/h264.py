"""H.264 parameter sets and NAL unit predicates (ITU-T H.264 clause 7; ISO/IEC 14496-15 clause 5).

Sync samples are IDR pictures only (ISO/IEC 14496-15, 5.4.1). A recovery point SEI (open GOP, gradual refresh) does not
make a sync sample: a decoder that begins there shows wrong pictures first, so no run, chunk or segment may begin there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from services.contracts.errors import Corrupt
from services.media.bits import BitReader, unescape
from services.media.nal import Nal

NAL_SLICE: Final = 1
NAL_IDR: Final = 5
NAL_SEI: Final = 6
NAL_SPS: Final = 7
NAL_PPS: Final = 8
NAL_AUD: Final = 9

MAX_SIDE_PX: Final = 16_384
_HIGH_PROFILES = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135))
_INTRA_PROFILES = frozenset((44, 86, 100, 110, 122, 244))
_EXTENDED_SAR = 255
#: Table E-1: sample aspect ratios by aspect_ratio_idc.
SAMPLE_ASPECT_RATIOS: Final = (
    (1, 1), (1, 1), (12, 11), (10, 11), (16, 11), (40, 33), (24, 11), (20, 11), (32, 11), (80, 33), (18, 11), (15, 11),
    (64, 33), (160, 99), (4, 3), (3, 2), (2, 1),
)  # fmt: skip
#: Table A-1: MaxDpbMbs by level_idc; level 1b (11 with constraint_set3, or 9) is as level 1.
_MAX_DPB_MBS = {
    9: 396, 10: 396, 11: 900, 12: 2376, 13: 2376, 20: 2376, 21: 4752, 22: 8100, 30: 8100, 31: 18000, 32: 20480,
    40: 32768, 41: 32768, 42: 34816, 50: 110400, 51: 184320, 52: 184320, 60: 696320, 61: 696320, 62: 696320,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sps:
    """What the product needs of a sequence parameter set. Sizes in luma samples after cropping.

    ``reorder_frames`` is what the stream says (VUI) or its profile implies; ``None`` when only ``reorder_bound``, the
    size of the decoded picture buffer, limits it.
    """

    sps_id: int
    profile_idc: int
    constraint_flags: int
    level_idc: int
    chroma_format_idc: int
    bit_depth_luma: int
    bit_depth_chroma: int
    width: int
    height: int
    sample_aspect_ratio: tuple[int, int]
    frame_duration: tuple[int, int] | None
    reorder_frames: int | None
    reorder_bound: int

    def codec_string(self, sample_entry: str) -> str:
        """RFC 6381 3.3: ``avc1.PPCCLL``."""
        return f"{sample_entry}.{self.profile_idc:02X}{self.constraint_flags:02X}{self.level_idc:02X}"


@dataclass(frozen=True, slots=True)
class Pps:
    pps_id: int
    sps_id: int


def nal_type(nal: Nal) -> int:
    return nal[0] & 0x1F


def is_slice(nal: Nal) -> bool:
    """A coded slice of the primary picture (types 1 to 5)."""
    return 1 <= nal[0] & 0x1F <= 5


def is_sync(nals: Iterable[Nal]) -> bool:
    """Whether an access unit is an IDR picture: the first slice decides (all of a picture are alike, 7.4.1.2.4)."""
    for nal in nals:
        kind = nal[0] & 0x1F
        if 1 <= kind <= 5:
            return kind == NAL_IDR
    return False


def slice_pps_id(nal: Nal) -> int:
    """The picture parameter set that a slice refers to."""
    bits = BitReader(unescape(bytes(nal[1:24])))
    bits.ue()  # first_mb_in_slice
    bits.ue()  # slice_type
    return bits.ue_at_most(255, "pic_parameter_set_id")


def parse_sps(nal: Nal) -> Sps:
    """Read a sequence parameter set; ``Corrupt`` names the field that cannot be."""
    if nal_type(nal) != NAL_SPS:
        raise Corrupt(f"NAL unit type {nal_type(nal)} is not a sequence parameter set")
    bits = BitReader(unescape(bytes(nal[1:])))
    profile, constraints, level = bits.u(8), bits.u(8), bits.u(8)
    sps_id = bits.ue_at_most(31, "seq_parameter_set_id")
    chroma, depth_luma, depth_chroma = _chroma(bits, profile)
    bits.ue_at_most(12, "log2_max_frame_num_minus4")
    order_type = _picture_order(bits)
    references = bits.ue_at_most(16, "max_num_ref_frames")
    bits.flag()  # gaps_in_frame_num_value_allowed
    width_mbs, height_units = bits.ue_at_most(1023, "width"), bits.ue_at_most(1023, "height")
    frame_mbs_only = bits.flag()
    if not frame_mbs_only:
        bits.flag()  # mb_adaptive_frame_field
    bits.flag()  # direct_8x8_inference
    width_mbs, height_mbs = width_mbs + 1, (height_units + 1) * (1 if frame_mbs_only else 2)
    width, height = _crop(bits, width_mbs * 16, height_mbs * 16, chroma, frame_mbs_only)
    vui = _vui(bits) if bits.flag() else _Vui()
    bound = max(1, min(16, _max_dpb_mbs(level, constraints) // (width_mbs * height_mbs)), references)
    return Sps(
        sps_id, profile, constraints, level, chroma, depth_luma, depth_chroma, width, height, vui.sample_aspect_ratio,
        vui.frame_duration, _reorder(vui, profile, constraints, order_type, references), min(16, bound),
    )  # fmt: skip


def parse_pps(nal: Nal) -> Pps:
    """Read the ids of a picture parameter set."""
    if nal_type(nal) != NAL_PPS:
        raise Corrupt(f"NAL unit type {nal_type(nal)} is not a picture parameter set")
    bits = BitReader(unescape(bytes(nal[1:24])))
    return Pps(bits.ue_at_most(255, "pic_parameter_set_id"), bits.ue_at_most(31, "seq_parameter_set_id"))


def build_avcc(sps: Sequence[Nal], pps: Sequence[Nal]) -> bytes:
    """AVCDecoderConfigurationRecord with 4-byte lengths (ISO/IEC 14496-15, 5.3.3.1). SPS extensions stay in-band."""
    first = parse_sps(sps[0])
    if len(sps) > 31 or len(pps) > 255:
        raise Corrupt(f"avcC holds at most 31 SPS and 255 PPS; the stream has {len(sps)} and {len(pps)}")
    head = bytes((1, first.profile_idc, first.constraint_flags, first.level_idc, 0xFF, 0xE0 | len(sps)))
    body = b"".join(len(nal).to_bytes(2, "big") + bytes(nal) for nal in sps)
    body += bytes((len(pps),)) + b"".join(len(nal).to_bytes(2, "big") + bytes(nal) for nal in pps)
    if first.profile_idc in (66, 77, 88):
        return head + body
    return head + body + bytes((0xFC | first.chroma_format_idc, 0xF8 | first.bit_depth_luma - 8,
                                0xF8 | first.bit_depth_chroma - 8, 0))  # fmt: skip


def parse_avcc(record: bytes | memoryview) -> tuple[int, tuple[bytes, ...]]:
    """Length size of the samples, and the parameter sets (SPS, PPS, SPS extensions) in their order."""
    octets = bytes(record)
    if len(octets) < 7 or octets[0] != 1:
        raise Corrupt("avcC is shorter than 7 bytes or not of version 1")
    length_size = (octets[4] & 3) + 1
    if length_size == 3:
        raise Corrupt("avcC says that NAL unit lengths have 3 bytes, which ISO/IEC 14496-15 forbids")
    nals: list[bytes] = []
    at = _take_nals(octets, 6, octets[5] & 31, nals)
    if at < len(octets):
        at = _take_nals(octets, at + 1, octets[at], nals)
    if octets[1] not in (66, 77, 88) and at + 4 <= len(octets):
        _take_nals(octets, at + 4, octets[at + 3], nals)
    return length_size, tuple(nals)


def _take_nals(octets: bytes, at: int, count: int, nals: list[bytes]) -> int:
    for _ in range(count):
        size = int.from_bytes(octets[at : at + 2], "big")
        if at + 2 + size > len(octets):
            raise Corrupt(f"avcC ends inside the parameter set at byte {at}")
        if size:
            nals.append(octets[at + 2 : at + 2 + size])
        at += 2 + size
    return at


def _chroma(bits: BitReader, profile: int) -> tuple[int, int, int]:
    if profile not in _HIGH_PROFILES:
        return 1, 8, 8
    chroma = bits.ue_at_most(3, "chroma_format_idc")
    if chroma == 3:
        bits.flag()  # separate_colour_plane
    luma, chroma_depth = bits.ue_at_most(6, "bit_depth_luma_minus8"), bits.ue_at_most(6, "bit_depth_chroma_minus8")
    bits.flag()  # qpprime_y_zero_transform_bypass
    if bits.flag():
        for index in range(12 if chroma == 3 else 8):
            if bits.flag():
                _skip_scaling_list(bits, 16 if index < 6 else 64)
    return chroma, luma + 8, chroma_depth + 8


def _skip_scaling_list(bits: BitReader, size: int) -> None:
    last, following = 8, 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _picture_order(bits: BitReader) -> int:
    order_type = bits.ue_at_most(2, "pic_order_cnt_type")
    if order_type == 0:
        bits.ue_at_most(12, "log2_max_pic_order_cnt_lsb_minus4")
    elif order_type == 1:
        bits.flag()
        bits.se()
        bits.se()
        for _ in range(bits.ue_at_most(255, "num_ref_frames_in_pic_order_cnt_cycle")):
            bits.se()
    return order_type


def _crop(bits: BitReader, width: int, height: int, chroma: int, frame_mbs_only: bool) -> tuple[int, int]:
    if bits.flag():
        step_x = 2 if chroma in (1, 2) else 1
        step_y = (2 if chroma == 1 else 1) * (1 if frame_mbs_only else 2)
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
        width, height = width - step_x * (left + right), height - step_y * (top + bottom)
    if not (0 < width <= MAX_SIDE_PX and 0 < height <= MAX_SIDE_PX):
        raise Corrupt(f"parameter set is wrong: a picture of {width}x{height} pixels")
    return width, height


@dataclass(slots=True)
class _Vui:
    sample_aspect_ratio: tuple[int, int] = (1, 1)
    frame_duration: tuple[int, int] | None = None
    reorder_frames: int | None = None


def _vui(bits: BitReader) -> _Vui:
    """Annex E.1.1. Cameras cut it short or fill it wrongly; what was read before the error holds."""
    vui = _Vui()
    try:
        vui.sample_aspect_ratio = read_sample_aspect_ratio(bits)
        if bits.flag():
            bits.flag()  # overscan_appropriate
        if bits.flag():
            bits.skip(4)  # video_format, video_full_range
            if bits.flag():
                bits.skip(24)  # colour_primaries, transfer_characteristics, matrix_coefficients
        if bits.flag():
            bits.ue()  # chroma_sample_loc_type_top_field
            bits.ue()  # chroma_sample_loc_type_bottom_field
        if bits.flag():
            units, scale = bits.u(32), bits.u(32)
            bits.flag()  # fixed_frame_rate
            if units and scale:
                vui.frame_duration = 2 * units, scale  # E.2.1: a frame lasts two ticks
        hrd = [_skip_hrd(bits) for _ in range(2) if bits.flag()]
        if hrd:
            bits.flag()  # low_delay_hrd
        bits.flag()  # pic_struct_present
        if bits.flag():
            bits.flag()  # motion_vectors_over_pic_boundaries
            for _ in range(4):  # max_bytes_per_pic, max_bits_per_mb, log2_max_mv_length_horizontal, _vertical
                bits.ue()
            vui.reorder_frames = bits.ue_at_most(16, "max_num_reorder_frames")
    except Corrupt:
        pass
    return vui


def read_sample_aspect_ratio(bits: BitReader) -> tuple[int, int]:
    """``aspect_ratio_info`` of H.264 E.1.1 and H.265 E.2.1, which are the same; (1, 1) when unspecified."""
    if not bits.flag():
        return 1, 1
    index = bits.u(8)
    if index == _EXTENDED_SAR:
        ratio = bits.u(16), bits.u(16)
        return ratio if ratio[0] and ratio[1] else (1, 1)
    return SAMPLE_ASPECT_RATIOS[index] if index < len(SAMPLE_ASPECT_RATIOS) else (1, 1)


def _skip_hrd(bits: BitReader) -> bool:
    count = bits.ue_at_most(31, "cpb_cnt_minus1") + 1
    bits.skip(8)
    for _ in range(count):
        bits.ue()
        bits.ue()
        bits.flag()
    bits.skip(20)
    return True


def _max_dpb_mbs(level: int, constraints: int) -> int:
    if level == 11 and constraints & 0x10:
        level = 9
    return _MAX_DPB_MBS.get(level, 696_320)


def _reorder(vui: _Vui, profile: int, constraints: int, order_type: int, references: int) -> int | None:
    """How many frames may precede a frame in decoding order and follow it in output order (E.2.1)."""
    if vui.reorder_frames is not None:
        return vui.reorder_frames
    if profile in _INTRA_PROFILES and constraints & 0x10:
        return 0
    # Baseline has no B slices (A.2.1); picture order type 2 forbids any reordering (8.2.1.3).
    return 0 if profile == 66 or order_type == 2 or references == 0 else None
