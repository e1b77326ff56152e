"""Reading the bit fields of parameter sets (ITU-T H.264 clause 7.2 and 9.1, H.265 clause 9.2).

For parameter sets and the first bytes of a slice header only: it turns the whole payload into one integer, which is
quick for hundreds of bytes and wrong for a picture. Reading past the end is ``Corrupt``, never an IndexError.
"""

from __future__ import annotations

from services.contracts.errors import Corrupt

_MAX_EXP_GOLOMB_ZEROS = 32


def unescape(payload: bytes) -> bytes:
    """Remove emulation prevention bytes: NAL unit payload to RBSP (H.264 7.4.1.1, H.265 7.4.2.1)."""
    return payload.replace(b"\0\0\3", b"\0\0")


class BitReader:
    """Reads an RBSP from its first bit on."""

    __slots__ = ("_bits", "_left", "_size")

    def __init__(self, rbsp: bytes) -> None:
        self._bits = int.from_bytes(rbsp, "big")
        self._size = self._left = len(rbsp) * 8

    @property
    def position(self) -> int:
        """Bits read so far."""
        return self._size - self._left

    def u(self, count: int) -> int:
        """An unsigned integer of ``count`` bits."""
        left = self._left - count
        if left < 0:
            raise Corrupt(f"parameter set ends after {self._size} bits, in the middle of a field")
        self._left = left
        return (self._bits >> left) & ((1 << count) - 1)

    def flag(self) -> bool:
        return self.u(1) == 1

    def skip(self, count: int) -> None:
        if count > self._left:
            raise Corrupt(f"parameter set ends after {self._size} bits, in the middle of a field")
        self._left -= count

    def ue(self) -> int:
        """An unsigned Exp-Golomb code of at most 32 leading zeros."""
        rest = self._bits & ((1 << self._left) - 1)
        zeros = self._left - rest.bit_length()
        if zeros > _MAX_EXP_GOLOMB_ZEROS:
            raise Corrupt("parameter set holds a number of more than 32 bits")
        self.skip(zeros)
        return self.u(zeros + 1) - 1

    def ue_at_most(self, limit: int, what: str) -> int:
        value = self.ue()
        if value > limit:
            raise Corrupt(f"parameter set is wrong: {what} is {value}, at most {limit} is allowed")
        return value

    def se(self) -> int:
        """A signed Exp-Golomb code."""
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)
