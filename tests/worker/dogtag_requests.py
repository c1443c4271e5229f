"""What a front would ask a worker, of a request that a TPS sent."""

from tests.site.dogtag_exchanges import Exchange
from tests.site.dogtag_policy import TPS, key_set_for
from tmsd.vault.dogtag_messages import (
    DogtagCard,
    EncryptChallenge,
    MakeKeySetData,
    MakeScp02Key,
    MakeSessionKeys,
)


def card_of(asked: Exchange) -> DogtagCard:
    """Return the card that a request tells of."""
    cuid = asked.parameter("tokencuid")
    kdd = asked.parameter("KDD") if "KDD" in asked.asked else cuid
    return DogtagCard(kdd=kdd, cuid=cuid, key_version=asked.parameter("KeyInfo")[0])


def key_set_of(asked: Exchange, version: int) -> str:
    """Return the key set of a request and a version."""
    name = key_set_for(asked.asked["keySet"], asked.scp, version)
    assert name is not None
    return name


def session_keys(asked: Exchange) -> MakeSessionKeys:
    """Return a request for session keys of SCP01 or SCP03."""
    card = card_of(asked)
    return MakeSessionKeys(
        caller=TPS,
        key_set=key_set_of(asked, card.key_version),
        card=card,
        i=asked.parameter("KeyInfo")[2] if asked.scp == 3 else None,
        card_challenge=asked.parameter("card_challenge"),
        host_challenge=asked.parameter("host_challenge"),
        card_cryptogram=asked.parameter("card_cryptogram"),
        ticket=None,
        server_side_keygen=asked.asked["serversideKeygen"] == "true",
    )


def scp02_key(asked: Exchange) -> MakeScp02Key:
    """Return a request for a session key of SCP02."""
    card = card_of(asked)
    return MakeScp02Key(
        caller=TPS,
        key_set=key_set_of(asked, card.key_version),
        card=card,
        sequence_counter=asked.parameter("sequenceCounter"),
        derivation_constant=asked.parameter("derivationConstant"),
        server_side_keygen=asked.asked["serversideKeygen"] == "true",
    )


def key_set_data(
    asked: Exchange, voucher: bytes | None, wrapped_dek: bytes | None = None
) -> MakeKeySetData:
    """Return a request for new keys."""
    card = card_of(asked)
    new_version = asked.parameter("newKeyInfo")[0]
    return MakeKeySetData(
        caller=TPS,
        key_set=key_set_of(asked, card.key_version),
        card=card,
        new_key_set=key_set_of(asked, new_version),
        new_key_version=new_version,
        voucher=voucher,
        wrapped_dek=wrapped_dek,
    )


def challenge(asked: Exchange, voucher: bytes | None) -> EncryptChallenge:
    """Return a request for an encrypted challenge."""
    card = card_of(asked)
    return EncryptChallenge(
        caller=TPS, key_set=key_set_of(asked, card.key_version), card=card, voucher=voucher
    )
