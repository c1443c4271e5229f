"""Short command APDUs, cases 1 to 4 (ISO/IEC 7816-4, 5.1)."""

from dataclasses import dataclass

from tmsd.errors import Code, ServiceError

MAX_DATA = 255

# CLA bits of secure messaging: GlobalPlatform's (Card Specification 2.3.1, 11.1.4) and ISO's
_SECURE_MESSAGING = 0x0C
_CHANNEL = 0x03  # CLA bits of the logical channels 0 to 3
_FURTHER_CHANNELS = 0x40  # CLA bit of the logical channels 4 to 19


@dataclass(frozen=True, slots=True)
class CommandApdu:
    """One command: four header bytes, up to 255 bytes of data, Le of 1 to 256 or none."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    le: int | None = None

    @property
    def channel(self) -> int:
        """The logical channel, 0 to 3."""
        return self.cla & _CHANNEL

    def __bytes__(self) -> bytes:
        header = bytes([self.cla, self.ins, self.p1, self.p2])
        lc = bytes([len(self.data)]) if self.data else b""
        le = b"" if self.le is None else bytes([self.le & 0xFF])
        return header + lc + self.data + le


def parse(apdu: bytes) -> CommandApdu:
    """Read a short APDU.

    Args:
        apdu: 4 to 261 bytes.

    Raises:
        ServiceError: `apdu-invalid`.
    """
    if len(apdu) < 4:
        raise _invalid(f"{len(apdu)} bytes are fewer than the header's four")
    cla, ins, p1, p2 = apdu[:4]
    body = apdu[4:]
    if not body:
        return CommandApdu(cla, ins, p1, p2)
    if len(body) == 1:
        return CommandApdu(cla, ins, p1, p2, le=body[0] or 256)
    lc, rest = body[0], body[1:]
    if lc == 0:
        raise _invalid("Lc is 00: extended lengths are not served")
    if len(rest) == lc:
        return CommandApdu(cla, ins, p1, p2, rest)
    if len(rest) == lc + 1:
        return CommandApdu(cla, ins, p1, p2, rest[:lc], le=rest[lc] or 256)
    raise _invalid(f"Lc announces {lc} bytes, and {len(rest)} follow")


def require_unprotected(command: CommandApdu) -> None:
    """Refuse a command that secure messaging cannot be put on.

    Raises:
        ServiceError: `apdu-invalid`, for a class byte that already has secure messaging
            or that names a logical channel above 3.
    """
    if command.cla & _FURTHER_CHANNELS:
        raise _invalid(f"class {command.cla:02x} names a logical channel above 3")
    if command.cla & _SECURE_MESSAGING:
        raise _invalid(f"class {command.cla:02x} already says secure messaging")


def _invalid(reason: str) -> ServiceError:
    return ServiceError(Code.APDU_INVALID, f"not a short command APDU: {reason}")
