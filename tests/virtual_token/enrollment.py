"""START ENROLLMENT and READ OBJECT of CoolKey's applet: a key pair is made, and shows that it is.

The card makes it when it is told to, signs its public key and a challenge that came under its data
encryption key, and lets both be read from its I/O buffer. It keeps no private key afterwards:
nothing here uses one.
"""

from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1

from tests.pcsc.apdu import Command, Refusal, StatusWord
from tests.virtual_token.dek import DataEncryptionKey

START_ENROLLMENT, START_EC_ENROLLMENT = 0x0C, 0x0D
READ_OBJECT = 0x56

_CHALLENGE_LENGTH = 16
_BUFFER = b"\xff" * 4  # the object that is the I/O buffer
_LONGEST_READ = 0xFF
_CURVES: Mapping[int, ec.EllipticCurve] = {256: ec.SECP256R1(), 384: ec.SECP384R1()}
_RSA_BITS = (1024, 2048)


def start(command: Command, dek: DataEncryptionKey) -> bytes:
    """Make a key pair as a command says; return what is to be read: key blob and signature."""
    data = command.data
    # algorithm (1), bits (2), option (1), type (1), a challenge with its length, no check value
    if len(data) != 7 + _CHALLENGE_LENGTH or data[3:6] != b"\x00\x00\x10" or data[-1] != 0:
        raise Refusal(StatusWord.INCORRECT_VALUES_IN_DATA)
    challenge = dek.decrypt(data[6:-1])
    blob, sign = _MAKERS[command.ins](int.from_bytes(data[1:3]))
    return _with_length(blob) + _with_length(sign(blob + challenge))


def read(command: Command, buffer: bytes) -> bytes:
    """Return a part of the I/O buffer: its offset (4) and length (1) follow the object's id."""
    data = command.data
    if len(data) != 9 or data[:4] != _BUFFER:
        raise Refusal(StatusWord.INCORRECT_VALUES_IN_DATA)
    offset, length = int.from_bytes(data[4:8]), data[8]
    if offset + length > len(buffer):
        raise Refusal(StatusWord.INCORRECT_VALUES_IN_DATA)
    return buffer[offset : offset + length]


def _rsa(bits: int) -> tuple[bytes, Callable[[bytes], bytes]]:
    if bits not in _RSA_BITS:
        raise Refusal(StatusWord.INCORRECT_VALUES_IN_DATA)
    key = rsa.generate_private_key(65537, bits)
    numbers = key.public_key().public_numbers()
    modulus, exponent = numbers.n.to_bytes(bits // 8), numbers.e.to_bytes(3)
    blob = b"\x00\x01" + bits.to_bytes(2) + _with_length(modulus) + _with_length(exponent)
    return blob, lambda data: key.sign(data, padding.PKCS1v15(), SHA1())  # noqa: S303  the applet's


def _ec(bits: int) -> tuple[bytes, Callable[[bytes], bytes]]:
    if bits not in _CURVES:
        raise Refusal(StatusWord.INCORRECT_VALUES_IN_DATA)
    key = ec.generate_private_key(_CURVES[bits])
    numbers, size = key.public_key().public_numbers(), bits // 8
    point = b"\x04" + numbers.x.to_bytes(size) + numbers.y.to_bytes(size)
    blob = b"\x00\x0a" + bits.to_bytes(2) + _with_length(point)
    return blob, lambda data: key.sign(data, ec.ECDSA(SHA1()))  # noqa: S303  the applet's


def _with_length(part: bytes) -> bytes:
    return len(part).to_bytes(2) + part


_MAKERS = {START_ENROLLMENT: _rsa, START_EC_ENROLLMENT: _ec}
