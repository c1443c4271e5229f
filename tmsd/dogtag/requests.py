"""Requests of a TPS: which one it is, told by its parameters alone, and what stands in it.

The order of the questions, the names and the lengths are those of Dogtag 10.10. What is wrong in a
request is told by its status, as there.
"""

import re
from collections.abc import Mapping
from enum import StrEnum

from tmsd.config.key_sets import Scp
from tmsd.dogtag.parameters import Malformed, special_decoded
from tmsd.errors import Code, ServiceError
from tmsd.tks.dogtag_wanted import (
    ChallengeWanted,
    KeySetDataWanted,
    RandomWanted,
    Scp02KeyWanted,
    SessionKeysWanted,
    TpsCard,
    Wanted,
)

Parameters = Mapping[str, bytes]

MAX_RANDOM = 1024
"""Bytes that a TPS can ask for."""

_DECIMAL = re.compile(rb"[0-9]{1,9}")
_CRYPTOGRAM = 8


class Operation(StrEnum):
    """What is asked, by its name in the audit log."""

    UNDECIDED = "dogtag.request"
    SESSION = "dogtag.session"
    SCP02_KEY = "dogtag.scp02-key"
    KEY_SET_DATA = "dogtag.key-set-data"
    ENCRYPT_CHALLENGE = "dogtag.encrypt-challenge"
    RANDOM = "dogtag.random"


def operation(parameters: Parameters) -> Operation:
    """Return what is asked; the path says nothing of it.

    `UNDECIDED` is what no operation has such parameters for.
    """
    protocol = parameters.get("protocol", b"")
    in_order = (
        (Operation.SESSION, "card_challenge" in parameters and "protocol" not in parameters),
        (Operation.ENCRYPT_CHALLENGE, "data" in parameters),
        (Operation.KEY_SET_DATA, "newKeyInfo" in parameters),
        (Operation.RANDOM, "dataNumBytes" in parameters),
        (Operation.SCP02_KEY, b"2" in protocol and "derivationConstant" in parameters),
        (Operation.SESSION, b"3" in protocol),
    )
    return next((asked for asked, is_it in in_order if is_it), Operation.UNDECIDED)


def read(asked: Operation, parameters: Parameters) -> Wanted:
    """Return what a request says.

    Raises:
        ServiceError: `request-invalid`, with the parameter that is missing or has a wrong length;
            `card-cryptogram-mismatch`, where no cryptogram could have that length.
    """
    match asked:
        case Operation.SESSION:
            return _session_keys(parameters)
        case Operation.SCP02_KEY:
            return _scp02_key(parameters)
        case Operation.KEY_SET_DATA:
            return _key_set_data(parameters)
        case Operation.ENCRYPT_CHALLENGE:
            protocol = parameters.get("protocol", b"")
            return ChallengeWanted(_card(parameters, _scp(protocol), (2, 3)))
        case Operation.RANDOM:
            return RandomWanted(_length(parameters))
        case Operation.UNDECIDED:
            raise ServiceError(
                Code.REQUEST_INVALID, "no operation of a TKS has the parameters of this request"
            )


def _session_keys(parameters: Parameters) -> SessionKeysWanted:
    scp = Scp.SCP01 if "protocol" not in parameters else Scp.SCP03
    card_challenge = _bytes(parameters, "card_challenge", 8)
    host_challenge = _bytes(parameters, "host_challenge", 8)
    card = _card(parameters, scp, (2,) if scp is Scp.SCP01 else (3,))
    return SessionKeysWanted(
        card=card,
        i=_bytes(parameters, "KeyInfo", 3)[2] if scp is Scp.SCP03 else None,
        card_challenge=card_challenge,
        host_challenge=host_challenge,
        card_cryptogram=_card_cryptogram(parameters, scp),
        server_side_keygen=_keygen(parameters),
    )


def _card_cryptogram(parameters: Parameters, scp: Scp) -> bytes:
    """Return the cryptogram; one of another length is a wrong one, and so is none in SCP01."""
    if scp is Scp.SCP03 and "card_cryptogram" not in parameters:
        raise _unfit("card_cryptogram", "is missing")
    value = _decoded(parameters, "card_cryptogram") or b""
    if len(value) != _CRYPTOGRAM:
        raise ServiceError(
            Code.CARD_CRYPTOGRAM_MISMATCH,
            f"card_cryptogram has {len(value)} bytes; one has {_CRYPTOGRAM}",
            pointer="/card_cryptogram",
        )
    return value


def _scp02_key(parameters: Parameters) -> Scp02KeyWanted:
    _bytes(parameters, "KDD", 10)  # which is not taken from the CUID here
    return Scp02KeyWanted(
        card=_card(parameters, Scp.SCP02, (2,)),
        key_type=_bytes(parameters, "KeyInfo", 2)[1],
        sequence_counter=_bytes(parameters, "sequenceCounter", 2),
        derivation_constant=_bytes(parameters, "derivationConstant", 2),
        server_side_keygen=_keygen(parameters),
    )


def _key_set_data(parameters: Parameters) -> KeySetDataWanted:
    scp = _scp(parameters.get("protocol", b""))
    new_key_set = _text(parameters, "keySet")
    present = _text(parameters, "oldKeySet") or new_key_set
    return KeySetDataWanted(
        card=_card(parameters, scp, (2, 3), present),
        new_key_set=new_key_set,
        new_key_version=_bytes(parameters, "newKeyInfo", 2, 3)[0],
        wrapped_dek=_bytes(parameters, "wrappedDekKey", 16) if scp is Scp.SCP02 else None,
    )


def _length(parameters: Parameters) -> int:
    value = parameters["dataNumBytes"]
    if not _DECIMAL.fullmatch(value) or int(value) > MAX_RANDOM:
        raise _unfit("dataNumBytes", f"must be a number from 0 to {MAX_RANDOM}, decimal")
    return int(value)


def _card(
    parameters: Parameters, scp: Scp, key_info: tuple[int, ...], key_set: str | None = None
) -> TpsCard:
    """Return the card; its KDD is its CUID where none is sent."""
    cuid = _bytes(parameters, "tokencuid", 10)
    return TpsCard(
        key_set=key_set or _text(parameters, "keySet"),
        scp=scp,
        kdd=_bytes(parameters, "KDD", 10) if "KDD" in parameters else cuid,
        cuid=cuid,
        key_version=_bytes(parameters, "KeyInfo", *key_info)[0],
    )


def _scp(protocol: bytes) -> Scp:
    """Return the protocol that a number stands for; whatever is none stands for SCP01."""
    return {b"2": Scp.SCP02, b"3": Scp.SCP03}.get(protocol, Scp.SCP01)


def _keygen(parameters: Parameters) -> bool:
    return parameters.get("serversideKeygen") == b"true"


def _text(parameters: Parameters, name: str) -> str | None:
    return parameters.get(name, b"").decode("latin-1") or None


def _bytes(parameters: Parameters, name: str, *lengths: int) -> bytes:
    value = _decoded(parameters, name)
    if value is None:
        raise _unfit(name, "is missing")
    if len(value) not in lengths:
        wanted = " or ".join(map(str, lengths))
        raise _unfit(name, f"has {len(value)} bytes, not {wanted}")
    return value


def _decoded(parameters: Parameters, name: str) -> bytes | None:
    value = parameters.get(name)
    try:
        return value if value is None else special_decoded(value)
    except Malformed:
        raise _unfit(name, "has a # that is not followed by two hexadecimal digits") from None


def _unfit(name: str, fault: str) -> ServiceError:
    return ServiceError(Code.REQUEST_INVALID, f"{name} {fault}", pointer=f"/{name}")
