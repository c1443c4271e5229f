"""Every diversification in every protocol: the token comes to the keys that the card has."""

import msgspec
import pytest

from tests.matrix.channels import CALLER, OK, initialize_update, open_channel
from tests.matrix.combinations import ISSUERS, LEVELS, WITH_EVERY_DIVERSIFICATION, Combination
from tests.matrix.issuers import Issuer
from tests.pcsc import tlv
from tests.virtual_token.card import Card
from tests.virtual_token.faults import with_wrong_keys
from tmsd.errors import Code, ServiceError
from tmsd.vault import card_messages
from tmsd.worker import opening
from tmsd.worker.context import Context

C_MAC = 0x01
STORED = tlv.encode(0xDF20, b"a value that nobody could guess")
STORE = bytes.fromhex("80e29000") + bytes([len(STORED)]) + STORED
READ_BACK = bytes.fromhex("80cadf2000")
UNRELATED = bytes.fromhex("ffffffffffffffffffff")

every_issuer = pytest.mark.parametrize("issuer", ISSUERS, ids=lambda issuer: issuer.name)
every_issuer_by_cuid = pytest.mark.parametrize(
    "issuer", [i for i in ISSUERS if i.by_cuid], ids=lambda issuer: issuer.name
)


def _a_card(issuer: Issuer) -> Card:
    return issuer.card(max(LEVELS[issuer.scp]))


def _open(worker: Context, issuer: Issuer, card: card_messages.Card) -> card_messages.ChannelOpened:
    return opening.open_channel(worker, card_messages.OpenChannel(CALLER, issuer.name, card, C_MAC))


def _is_valid(worker: Context, issuer: Issuer, card: Card) -> bool:
    presented = initialize_update(worker, card)
    request = card_messages.VerifyCryptogram(CALLER, issuer.name, presented)
    return opening.verify_cryptogram(worker, request).valid


@pytest.mark.parametrize("combination", WITH_EVERY_DIVERSIFICATION, ids=str)
def test_a_card_obeys_and_answers_under_keys_of_its_own(
    worker: Context, combination: Combination
) -> None:
    issuer = combination.issuer
    channel = open_channel(worker, issuer.card(combination.i), issuer.name, combination.level)

    assert channel.send(STORE, READ_BACK) == [OK, STORED + OK]


@every_issuer
def test_a_card_with_keys_of_nobody_is_turned_down(worker: Context, issuer: Issuer) -> None:
    impostor = Card(with_wrong_keys(_a_card(issuer).profile))

    with pytest.raises(ServiceError) as refusal:
        _open(worker, issuer, initialize_update(worker, impostor))

    assert refusal.value.code is Code.CARD_CRYPTOGRAM_MISMATCH


@every_issuer
def test_a_cryptogram_is_valid_if_the_card_has_the_keys(worker: Context, issuer: Issuer) -> None:
    card = _a_card(issuer)

    assert _is_valid(worker, issuer, card)
    assert not _is_valid(worker, issuer, Card(with_wrong_keys(card.profile)))


@every_issuer
def test_the_cuid_counts_where_the_issuer_goes_by_it_and_nowhere_else(
    worker: Context, issuer: Issuer
) -> None:
    presented = initialize_update(worker, _a_card(issuer))
    misnamed = _with_cuid(presented, UNRELATED)

    if issuer.by_cuid and issuer.scheme != "none":
        with pytest.raises(ServiceError) as refusal:
            _open(worker, issuer, misnamed)
        assert refusal.value.code is Code.CARD_CRYPTOGRAM_MISMATCH
    else:
        assert _open(worker, issuer, misnamed).key_set == issuer.name


@every_issuer_by_cuid
def test_a_card_without_its_cuid_is_turned_down_where_the_issuer_goes_by_it(
    worker: Context, issuer: Issuer
) -> None:
    presented = initialize_update(worker, _a_card(issuer))

    with pytest.raises(ServiceError) as refusal:
        _open(worker, issuer, _with_cuid(presented, None))

    assert (refusal.value.code, refusal.value.pointer) == (Code.REQUEST_INVALID, "/card/cuid")


def _with_cuid(card: card_messages.Card, cuid: bytes | None) -> card_messages.Card:
    return msgspec.structs.replace(card, cuid=cuid)
