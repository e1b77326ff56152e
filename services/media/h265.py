"""H.265 parameter sets and NAL unit predicates (ITU-T H.265 clause 7; ISO/IEC 14496-15 clause 8).

Sync samples are IRAP pictures: BLA, IDR and CRA (NAL unit types 16 to 21). Leading pictures of a CRA that opens a run are
kept; a decoder drops those it cannot build (RASL).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from services.contracts.errors import Corrupt
from services.media.bits import BitReader, unescape
from services.media.h264 import MAX_SIDE_PX, read_sample_aspect_ratio
from services.media.nal import Nal

NAL_VPS: Final = 32
NAL_SPS: Final = 33
NAL_PPS: Final = 34
NAL_AUD: Final = 35
NAL_PREFIX_SEI: Final = 39
NAL_SUFFIX_SEI: Final = 40
_PROFILE_SPACES = ("", "A", "B", "C")
_SUBSAMPLING = {0: (1, 1), 1: (2, 2), 2: (2, 1), 3: (1, 1)}


@dataclass(frozen=True, slots=True)
class ProfileTierLevel:
    """``general_*`` of clause 7.3.3. ``compatibility`` has flag 0 as its highest bit; ``constraints`` are 48 bits."""

    space: int
    tier: int
    profile_idc: int
    compatibility: int
    constraints: int
    level_idc: int


@dataclass(frozen=True, slots=True)
class Sps:
    """What the product needs of a sequence parameter set. Sizes in luma samples inside the conformance window."""

    sps_id: int
    vps_id: int
    sub_layers: int
    temporal_id_nesting: bool
    profile: ProfileTierLevel
    chroma_format_idc: int
    bit_depth_luma: int
    bit_depth_chroma: int
    width: int
    height: int
    sample_aspect_ratio: tuple[int, int]
    frame_duration: tuple[int, int] | None
    min_spatial_segmentation: int
    reorder_frames: int
    reorder_bound: int

    def codec_string(self, sample_entry: str) -> str:
        """ISO/IEC 14496-15 annex E.3: ``hvc1.1.6.L93.B0``."""
        profile = self.profile
        flipped = int(f"{profile.compatibility:032b}"[::-1], 2)
        constraints = profile.constraints.to_bytes(6, "big").rstrip(b"\0")
        parts = [
            sample_entry, f"{_PROFILE_SPACES[profile.space]}{profile.profile_idc}", f"{flipped:X}",
            f"{'H' if profile.tier else 'L'}{profile.level_idc}", *(f"{octet:X}" for octet in constraints),
        ]  # fmt: skip
        return ".".join(parts)


@dataclass(frozen=True, slots=True)
class Pps:
    pps_id: int
    sps_id: int


def nal_type(nal: Nal) -> int:
    return (nal[0] >> 1) & 0x3F


def is_base_layer(nal: Nal) -> bool:
    """``nuh_layer_id`` 0. Sets of other layers (MV-HEVC, SHVC) have ids and a syntax of their own."""
    return nal[0] & 1 == 0 and len(nal) > 1 and nal[1] < 8


def is_slice(nal: Nal) -> bool:
    """A coded slice segment (VCL, types 0 to 31)."""
    return nal[0] & 0x40 == 0


def is_sync(nals: Iterable[Nal]) -> bool:
    """Whether an access unit is an IRAP picture that may begin a stream: the first slice decides."""
    for nal in nals:
        kind = (nal[0] >> 1) & 0x3F
        if kind < 32:
            return 16 <= kind <= 21
    return False


def slice_pps_id(nal: Nal) -> int:
    """The picture parameter set that a slice segment refers to (7.3.6.1)."""
    bits = BitReader(unescape(bytes(nal[2:24])))
    bits.flag()  # first_slice_segment_in_pic
    if 16 <= nal_type(nal) <= 23:
        bits.flag()  # no_output_of_prior_pics
    return bits.ue_at_most(63, "slice_pic_parameter_set_id")


def parse_vps_id(nal: Nal) -> int:
    """The id of a video parameter set."""
    if nal_type(nal) != NAL_VPS or len(nal) < 3:
        raise Corrupt("NAL unit is not a video parameter set")
    return nal[2] >> 4


def parse_pps(nal: Nal) -> Pps:
    """Read the ids of a picture parameter set."""
    if nal_type(nal) != NAL_PPS:
        raise Corrupt(f"NAL unit type {nal_type(nal)} is not a picture parameter set")
    bits = BitReader(unescape(bytes(nal[2:24])))
    return Pps(bits.ue_at_most(63, "pps_pic_parameter_set_id"), bits.ue_at_most(15, "pps_seq_parameter_set_id"))


def parse_sps(nal: Nal) -> Sps:
    """Read a sequence parameter set; ``Corrupt`` names the field that cannot be."""
    if nal_type(nal) != NAL_SPS:
        raise Corrupt(f"NAL unit type {nal_type(nal)} is not a sequence parameter set")
    bits = BitReader(unescape(bytes(nal[2:])))
    vps_id, sub_layers, nesting = bits.u(4), bits.u(3) + 1, bits.flag()
    if sub_layers > 7:
        raise Corrupt("parameter set is wrong: 8 temporal sub-layers, at most 7 are allowed")
    profile = _profile_tier_level(bits, sub_layers)
    sps_id = bits.ue_at_most(15, "sps_seq_parameter_set_id")
    chroma = bits.ue_at_most(3, "chroma_format_idc")
    if chroma == 3 and bits.flag():  # separate_colour_plane: ChromaArrayType 0
        pass
    width, height = _window(bits, chroma)
    depth_luma = 8 + bits.ue_at_most(8, "bit_depth_luma_minus8")
    depth_chroma = 8 + bits.ue_at_most(8, "bit_depth_chroma_minus8")
    order_bits = bits.ue_at_most(12, "log2_max_pic_order_cnt_lsb_minus4") + 4
    reorder, buffering = 0, 1
    for _ in range(1 if not bits.flag() else sub_layers):  # the last one holds for the whole stream
        buffering, reorder = bits.ue_at_most(15, "max_dec_pic_buffering"), bits.ue_at_most(15, "max_num_reorder")
        bits.ue()  # max_latency_increase
    tail = _tail(bits, sub_layers, chroma, order_bits)
    return Sps(
        sps_id, vps_id, sub_layers, nesting, profile, chroma, depth_luma, depth_chroma, width, height,
        tail.sample_aspect_ratio, tail.frame_duration, tail.min_spatial_segmentation, reorder, max(reorder, buffering),
    )  # fmt: skip


def build_hvcc(vps: Sequence[Nal], sps: Sequence[Nal], pps: Sequence[Nal], *, in_band: bool) -> bytes:
    """HEVCDecoderConfigurationRecord with 4-byte lengths (ISO/IEC 14496-15, 8.3.3.1). ``in_band``: arrays may be incomplete."""
    first = parse_sps(sps[0])
    profile = first.profile
    record = bytearray((1, profile.space << 6 | profile.tier << 5 | profile.profile_idc))
    record += profile.compatibility.to_bytes(4, "big") + profile.constraints.to_bytes(6, "big")
    record += bytes((profile.level_idc,)) + (0xF000 | first.min_spatial_segmentation).to_bytes(2, "big")
    record += bytes((0xFC, 0xFC | first.chroma_format_idc, 0xF8 | first.bit_depth_luma - 8))
    record += bytes((0xF8 | first.bit_depth_chroma - 8, 0, 0))
    record.append(first.sub_layers << 3 | first.temporal_id_nesting << 2 | 3)
    record.append(3)
    complete = 0 if in_band else 0x80
    for kind, nals in ((NAL_VPS, vps), (NAL_SPS, sps), (NAL_PPS, pps)):
        record += bytes((complete | kind,)) + len(nals).to_bytes(2, "big")
        for nal in nals:
            record += len(nal).to_bytes(2, "big") + bytes(nal)
    return bytes(record)


def parse_hvcc(record: bytes | memoryview) -> tuple[int, tuple[bytes, ...]]:
    """Length size of the samples, and all NAL units of the arrays in their order."""
    octets = bytes(record)
    if len(octets) < 23 or octets[0] != 1:
        raise Corrupt("hvcC is shorter than 23 bytes or not of version 1")
    length_size = (octets[21] & 3) + 1
    if length_size == 3:
        raise Corrupt("hvcC says that NAL unit lengths have 3 bytes, which ISO/IEC 14496-15 forbids")
    nals: list[bytes] = []
    at = 23
    for _ in range(octets[22]):
        count = int.from_bytes(octets[at + 1 : at + 3], "big")
        at += 3
        for _ in range(count):
            size = int.from_bytes(octets[at : at + 2], "big")
            if size == 0 or at + 2 + size > len(octets):
                raise Corrupt(f"hvcC ends inside the parameter set at byte {at}")
            nals.append(octets[at + 2 : at + 2 + size])
            at += 2 + size
    return length_size, tuple(nals)


def _profile_tier_level(bits: BitReader, sub_layers: int) -> ProfileTierLevel:
    profile = ProfileTierLevel(bits.u(2), bits.u(1), bits.u(5), bits.u(32), bits.u(48), bits.u(8))
    present = [(bits.flag(), bits.flag()) for _ in range(sub_layers - 1)]
    if sub_layers > 1:
        bits.skip(2 * (9 - sub_layers))
    for has_profile, has_level in present:
        bits.skip(88 * has_profile + 8 * has_level)
    return profile


def _window(bits: BitReader, chroma: int) -> tuple[int, int]:
    width, height = bits.ue(), bits.ue()
    if bits.flag():
        step_x, step_y = _SUBSAMPLING[chroma]
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
        width, height = width - step_x * (left + right), height - step_y * (top + bottom)
    if not (0 < width <= MAX_SIDE_PX and 0 < height <= MAX_SIDE_PX):
        raise Corrupt(f"parameter set is wrong: a picture of {width}x{height} pixels")
    return width, height


@dataclass(slots=True)
class _Tail:
    sample_aspect_ratio: tuple[int, int] = (1, 1)
    frame_duration: tuple[int, int] | None = None
    min_spatial_segmentation: int = 0


def _tail(bits: BitReader, sub_layers: int, chroma: int, order_bits: int) -> _Tail:
    """What follows the ordering info, up to the VUI. All of it is optional to us: what was read before an error holds."""
    tail = _Tail()
    try:
        for _ in range(6):  # block sizes and transform depths
            bits.ue()
        if bits.flag() and bits.flag():
            _skip_scaling_lists(bits)
        bits.skip(2)  # amp, sample_adaptive_offset
        if bits.flag():
            bits.skip(8)  # pcm bit depths
            bits.ue()
            bits.ue()
            bits.flag()
        _skip_reference_sets(bits)
        if bits.flag():
            for _ in range(bits.ue_at_most(32, "num_long_term_ref_pics_sps")):
                bits.skip(order_bits + 1)
        bits.skip(2)  # temporal_mvp, strong_intra_smoothing
        if bits.flag():
            _vui(bits, sub_layers, tail)
    except Corrupt:
        pass
    return tail


def _skip_scaling_lists(bits: BitReader) -> None:
    for size in range(4):
        for _ in range(0, 6, 3 if size == 3 else 1):
            if not bits.flag():
                bits.ue()
                continue
            if size > 1:
                bits.se()
            for _ in range(min(64, 1 << (4 + (size << 1)))):
                bits.se()


def _skip_reference_sets(bits: BitReader) -> None:
    """st_ref_pic_set() of 7.3.7; only the number of pictures of the set before is needed to find the end."""
    pictures = 0
    for index in range(bits.ue_at_most(64, "num_short_term_ref_pic_sets")):
        if index and bits.flag():
            bits.flag()  # delta_rps_sign
            bits.ue()  # abs_delta_rps_minus1
            kept = 0
            for _ in range(pictures + 1):
                used = bits.flag()
                kept += used or bits.flag()
            pictures = kept
        else:
            negative, positive = bits.ue_at_most(16, "num_negative_pics"), bits.ue_at_most(16, "num_positive_pics")
            pictures = negative + positive
            for _ in range(pictures):
                bits.ue()
                bits.flag()


def _vui(bits: BitReader, sub_layers: int, tail: _Tail) -> None:
    """Annex E.2.1 up to min_spatial_segmentation_idc."""
    tail.sample_aspect_ratio = read_sample_aspect_ratio(bits)
    if bits.flag():
        bits.flag()  # overscan_appropriate
    if bits.flag():
        bits.skip(4)
        if bits.flag():
            bits.skip(24)
    if bits.flag():
        bits.ue()
        bits.ue()
    bits.skip(3)  # neutral_chroma, field_seq, frame_field_info
    if bits.flag():
        for _ in range(4):  # default display window
            bits.ue()
    if bits.flag():
        units, scale = bits.u(32), bits.u(32)
        if units and scale:
            tail.frame_duration = units, scale
        if bits.flag():
            bits.ue()
        if bits.flag():
            _skip_hrd(bits, sub_layers)
    if bits.flag():
        bits.skip(3)  # tiles_fixed, motion_vectors_over_pic_boundaries, restricted_ref_pic_lists
        tail.min_spatial_segmentation = bits.ue_at_most(4095, "min_spatial_segmentation_idc")


def _skip_hrd(bits: BitReader, sub_layers: int) -> None:
    nal, vcl = bits.flag(), bits.flag()
    sub_picture = False
    if nal or vcl:
        sub_picture = bits.flag()
        bits.skip(19 if sub_picture else 0)
        bits.skip(8)
        bits.skip(4 if sub_picture else 0)
        bits.skip(15)
    for _ in range(sub_layers):
        fixed_general = bits.flag()
        fixed_in_sequence = fixed_general or bits.flag()
        low_delay = False
        if fixed_in_sequence:
            bits.ue()
        else:
            low_delay = bits.flag()
        count = 1 if low_delay else bits.ue_at_most(31, "cpb_cnt_minus1") + 1
        for _ in range(count * (nal + vcl)):
            bits.ue()
            bits.ue()
            if sub_picture:
                bits.ue()
                bits.ue()
            bits.flag()
