"""The parameter sets in force in a stream, and the track description that follows from them.

Parameter sets come out-of-band (SDP, avcC, hvcC) or in-band; the newest of each id is in force. A set that cannot be
read is kept in the stream like every other NAL unit, but it does not come into force and is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from services.contracts.errors import Corrupt
from services.media import h264, h265
from services.media.access_unit import AccessUnit, VideoCodec
from services.media.nal import Nal, split_annex_b

_MAX_SET_BYTES = 65_535  # avcC and hvcC have 16-bit lengths
_H264_SETS = frozenset((h264.NAL_SPS, h264.NAL_PPS))
_H265_SETS = frozenset((h265.NAL_VPS, h265.NAL_SPS, h265.NAL_PPS))


@dataclass(frozen=True, slots=True)
class TrackConfig:
    """What an init segment says of its one video track, except the timescale.

    ``codec_config`` is the payload of avcC or hvcC. ``reorder_frames`` is ``None`` when only ``reorder_bound`` limits it;
    ``frame_duration`` is (seconds numerator, denominator) of the VUI.
    """

    sample_entry: str
    codec_string: str
    codec_config: bytes
    width: int
    height: int
    sample_aspect_ratio: tuple[int, int] = (1, 1)
    reorder_frames: int | None = None
    reorder_bound: int = 16
    frame_duration: tuple[int, int] | None = None


def read_extradata(codec: VideoCodec, extradata: bytes) -> tuple[int | None, tuple[Nal, ...]]:
    """Read what a demuxer hands out as extradata: NAL length size (``None``: Annex B) and parameter sets.

    This is no guess: a configuration record begins with its version, 1, and an Annex B byte stream with 0. The packets of
    the stream are packed as the extradata is. No extradata at all means Annex B with in-band parameter sets.
    """
    if not extradata:
        return None, ()
    if extradata[0] == 1:
        return h264.parse_avcc(extradata) if codec == "h264" else h265.parse_hvcc(extradata)
    return None, split_annex_b(extradata)


class ParameterSets:
    """The sets in force for one stream. ``unreadable`` counts those that could not come into force."""

    __slots__ = ("_pps", "_sps", "_tracks", "_vps", "codec", "unreadable")

    def __init__(self, codec: VideoCodec) -> None:
        self.codec: VideoCodec = codec
        self._tracks: dict[tuple[int, bool], TrackConfig | None] = {}
        self.unreadable = 0
        self._vps: dict[int, bytes] = {}
        self._sps: dict[int, tuple[bytes, h264.Sps | h265.Sps]] = {}
        self._pps: dict[int, tuple[bytes, int]] = {}

    def update(self, nals: Iterable[Nal]) -> bool:
        """Take the parameter sets among ``nals`` into force; whether there were any."""
        found = False
        if self.codec == "h264":
            for nal in nals:
                if nal[0] & 0x1F in _H264_SETS:
                    found = True
                    self._take(nal, nal[0] & 0x1F)
        else:
            for nal in nals:
                if (nal[0] >> 1) & 0x3F in _H265_SETS and h265.is_base_layer(nal):
                    found = True
                    self._take(nal, (nal[0] >> 1) & 0x3F)
        return found

    def track_for(self, unit: AccessUnit, *, in_band: bool) -> TrackConfig | None:
        """The track as the first slice of ``unit`` needs it; ``None`` while a set it refers to is unknown.

        ``in_band``: parameter sets travel in the samples too, so the sample entry must be avc3 or hev1
        (ISO/IEC 14496-15, 5.4.2.1 and 8.4.1.1); with avc1 and hvc1 they may stand in the sample entry only.
        """
        slice_nal = next((nal for nal in unit.nals if self._is_slice(nal)), None)
        if slice_nal is None:
            return None
        try:
            pps_id = h264.slice_pps_id(slice_nal) if self.codec == "h264" else h265.slice_pps_id(slice_nal)
        except Corrupt:
            return None
        referred = self._pps.get(pps_id)
        active = self._sps.get(referred[1]) if referred else None
        if referred is None or active is None:
            return None
        if (pps_id, in_band) not in self._tracks:
            self._tracks[pps_id, in_band] = self._describe(*active, referred[1], in_band)
        return self._tracks[pps_id, in_band]

    def _describe(self, octets: bytes, sps: h264.Sps | h265.Sps, sps_id: int, in_band: bool) -> TrackConfig | None:
        pps = [raw for _, (raw, owner) in sorted(self._pps.items()) if owner == sps_id]
        if isinstance(sps, h264.Sps):
            entry, config = ("avc3" if in_band else "avc1"), h264.build_avcc([octets], pps)
        else:
            vps = self._vps.get(sps.vps_id)
            if vps is None:
                return None
            entry, config = ("hev1" if in_band else "hvc1"), h265.build_hvcc([vps], [octets], pps, in_band=in_band)
        return TrackConfig(
            entry, sps.codec_string(entry), config, sps.width, sps.height, sps.sample_aspect_ratio,
            sps.reorder_frames, sps.reorder_bound, sps.frame_duration,
        )  # fmt: skip

    def _is_slice(self, nal: Nal) -> bool:
        return h264.is_slice(nal) if self.codec == "h264" else h265.is_slice(nal)

    def _take(self, nal: Nal, kind: int) -> None:
        octets = bytes(nal)
        try:
            if len(octets) > _MAX_SET_BYTES:
                raise Corrupt(f"a parameter set of {len(octets)} bytes does not fit an init segment")
            changed = self._take_h264(octets, kind) if self.codec == "h264" else self._take_h265(octets, kind)
        except Corrupt:
            self.unreadable += 1
        else:
            if changed:
                self._tracks.clear()

    def _take_h264(self, octets: bytes, kind: int) -> bool:
        if kind == h264.NAL_SPS:
            return self._store_sps(octets, h264.parse_sps)
        return self._store_pps(octets, h264.parse_pps(octets))

    def _take_h265(self, octets: bytes, kind: int) -> bool:
        if kind == h265.NAL_SPS:
            return self._store_sps(octets, h265.parse_sps)
        if kind == h265.NAL_PPS:
            return self._store_pps(octets, h265.parse_pps(octets))
        vps_id = h265.parse_vps_id(octets)
        changed = self._vps.get(vps_id) != octets
        self._vps[vps_id] = octets
        return changed

    def _store_sps(self, octets: bytes, parse: Callable[[bytes], h264.Sps | h265.Sps]) -> bool:
        for known, _ in self._sps.values():  # most cameras repeat the same set before every IDR picture
            if known == octets:
                return False
        sps = parse(octets)
        self._sps[sps.sps_id] = octets, sps
        return True

    def _store_pps(self, octets: bytes, pps: h264.Pps | h265.Pps) -> bool:
        changed = self._pps.get(pps.pps_id) != (octets, pps.sps_id)
        self._pps[pps.pps_id] = octets, pps.sps_id
        return changed
