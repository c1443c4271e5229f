"""What a request asks is told by its parameters, and a refusal names the one at fault."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dogtag.exchanges import EXCHANGES
from tmsd.config.key_sets import Scp
from tmsd.dogtag import parameters
from tmsd.dogtag.requests import Operation, operation, read
from tmsd.errors import Code, ServiceError
from tmsd.tks.dogtag_wanted import (
    ChallengeWanted,
    KeySetDataWanted,
    RandomWanted,
    Scp02KeyWanted,
    SessionKeysWanted,
    TpsCard,
)

KDD = bytes.fromhex("A00102030405060708FF")
CUID = bytes.fromhex("40906145C76224192D2B")
SCP01 = EXCHANGES["scp01-v1-kdd-differs"].request_body
SCP02 = EXCHANGES["scp02-v2-nist-dek"].request_body
SCP03 = EXCHANGES["scp03-v3-none-aes128-ssk"].request_body
NEW_KEYS = EXCHANGES["cks-scp01-v2-to-v1-nist"].request_body
CHALLENGE = EXCHANGES["enc-scp01-v2-nist"].request_body

NAMES = (
    *("card_challenge", "data", "newKeyInfo", "dataNumBytes", "protocol", "derivationConstant"),
    *("KDD", "tokencuid", "KeyInfo", "host_challenge", "card_cryptogram", "sequenceCounter"),
    *("keySet", "oldKeySet", "serversideKeygen", "wrappedDekKey"),
)


def wanted(body: str) -> object:
    found = parameters.parse(body.encode())
    return read(operation(found), found)


def refusal(body: str) -> ServiceError:
    with pytest.raises(ServiceError) as refused:
        wanted(body)
    return refused.value


def without(body: str, name: str) -> str:
    return "&".join(pair for pair in body.split("&") if not pair.startswith(f"{name}="))


def with_other(body: str, name: str, value: str) -> str:
    return f"{name}={value}&{without(body, name)}"


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ("card_challenge=", Operation.SESSION),
        ("card_challenge=&data=&newKeyInfo=", Operation.SESSION),
        ("card_challenge=&protocol=1", Operation.UNDECIDED),
        ("card_challenge=&protocol=3&data=", Operation.ENCRYPT_CHALLENGE),
        ("data=&newKeyInfo=&dataNumBytes=", Operation.ENCRYPT_CHALLENGE),
        ("newKeyInfo=&dataNumBytes=&protocol=2&derivationConstant=", Operation.KEY_SET_DATA),
        ("dataNumBytes=&protocol=2&derivationConstant=", Operation.RANDOM),
        ("protocol=2&derivationConstant=", Operation.SCP02_KEY),
        ("protocol=23&derivationConstant=", Operation.SCP02_KEY),
        ("protocol=2", Operation.UNDECIDED),
        ("protocol=3", Operation.SESSION),
        ("protocol=23", Operation.SESSION),
        ("protocol=", Operation.UNDECIDED),
        ("x=1", Operation.UNDECIDED),
        ("", Operation.UNDECIDED),
    ],
)
def test_parameters_tell_what_is_asked_in_the_order_of_dogtag(body: str, asked: Operation) -> None:
    assert operation(parameters.parse(body.encode())) is asked


def test_a_request_of_scp01_is_read() -> None:
    assert wanted(SCP01) == SessionKeysWanted(
        card=TpsCard("defKeySet", Scp.SCP01, KDD, CUID, 1),
        i=None,
        card_challenge=bytes.fromhex("CF0C2411868D8C1F"),
        host_challenge=bytes.fromhex("DAEEA3451B5340C9"),
        card_cryptogram=bytes.fromhex("F4BED869BE3AE3CA"),
        server_side_keygen=False,
    )


def test_a_request_of_scp03_is_read() -> None:
    assert wanted(SCP03) == SessionKeysWanted(
        card=TpsCard("sc7KeySet", Scp.SCP03, KDD, CUID, 3),
        i=0x70,
        card_challenge=bytes.fromhex("1FDC9DDD9EABD087"),
        host_challenge=bytes.fromhex("6B16C4410676740D"),
        card_cryptogram=bytes.fromhex("62D577716283F590"),
        server_side_keygen=True,
    )


def test_a_request_of_scp02_is_read() -> None:
    assert wanted(SCP02) == Scp02KeyWanted(
        card=TpsCard("defKeySet", Scp.SCP02, KDD, CUID, 2),
        key_type=2,
        sequence_counter=b"\x4d\x66",
        derivation_constant=b"\x01\x81",
        server_side_keygen=False,
    )


def test_a_request_for_new_keys_is_read() -> None:
    card = TpsCard("defKeySet", Scp.SCP01, KDD, CUID, 2)
    assert wanted(NEW_KEYS) == KeySetDataWanted(card, "defKeySet", 1, None)


def test_present_keys_are_of_the_old_key_set_where_one_is_named() -> None:
    card = TpsCard("before", Scp.SCP01, KDD, CUID, 2)
    assert wanted(f"{NEW_KEYS}&oldKeySet=before") == KeySetDataWanted(card, "defKeySet", 1, None)


def test_new_keys_of_scp02_come_with_the_dek_that_was_given() -> None:
    body = with_other(NEW_KEYS, "protocol", "2")
    given_dek = wanted(f"{body}&wrappedDekKey={'#0f' * 16}")

    assert isinstance(given_dek, KeySetDataWanted)
    assert given_dek.wrapped_dek == b"\x0f" * 16
    assert refusal(body).pointer == "/wrappedDekKey"


@pytest.mark.parametrize(
    ("protocol", "scp"),
    [
        ("1", Scp.SCP01),
        ("2", Scp.SCP02),
        ("3", Scp.SCP03),
        ("", Scp.SCP01),
        ("0", Scp.SCP01),
        ("21", Scp.SCP01),
        ("x", Scp.SCP01),
    ],
)
def test_a_challenge_is_for_scp01_unless_another_protocol_is_named(protocol: str, scp: Scp) -> None:
    card = TpsCard("defKeySet", scp, KDD, CUID, 2)
    assert wanted(with_other(CHALLENGE, "protocol", protocol)) == ChallengeWanted(card)


def test_a_challenge_needs_no_data_and_no_protocol() -> None:
    body = with_other(without(CHALLENGE, "protocol"), "data", "")
    assert wanted(body) == ChallengeWanted(TpsCard("defKeySet", Scp.SCP01, KDD, CUID, 2))


@pytest.mark.parametrize("length", [0, 1, 8, 16, 1024])
def test_random_bytes_are_counted_in_decimal(length: int) -> None:
    assert wanted(f"dataNumBytes={length}") == RandomWanted(length)


@pytest.mark.parametrize("length", ["", "abc", "1025", "-1", "8.0", "0x8", "9" * 30, "#38", "%b2"])
def test_another_number_of_random_bytes_is_refused(length: str) -> None:
    refused = refusal(f"dataNumBytes={length}")
    assert (refused.code, refused.pointer) == (Code.REQUEST_INVALID, "/dataNumBytes")


@pytest.mark.parametrize("name", ["keySet"])
@pytest.mark.parametrize("body", [SCP01, SCP02, SCP03, CHALLENGE])
def test_the_key_set_of_a_request_need_not_be_named(body: str, name: str) -> None:
    for unnamed in (without(body, name), with_other(body, name, "")):
        found = wanted(unnamed)
        assert isinstance(found, SessionKeysWanted | Scp02KeyWanted | ChallengeWanted)
        assert found.card.key_set is None


@pytest.mark.parametrize("body", [SCP01, SCP03, CHALLENGE])
def test_without_a_kdd_the_cuid_is_it(body: str) -> None:
    found = wanted(without(body, "KDD"))
    assert isinstance(found, SessionKeysWanted | ChallengeWanted)
    assert found.card.kdd == found.card.cuid == CUID


def test_in_scp02_a_kdd_is_needed() -> None:
    assert refusal(without(SCP02, "KDD")).pointer == "/KDD"


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (SCP01, ("tokencuid", "host_challenge", "KeyInfo")),
        (SCP03, ("tokencuid", "host_challenge", "card_challenge", "KeyInfo", "card_cryptogram")),
        (SCP02, ("tokencuid", "KDD", "KeyInfo", "sequenceCounter")),
        (NEW_KEYS, ("tokencuid", "KeyInfo")),
        (CHALLENGE, ("tokencuid", "KeyInfo")),
    ],
)
def test_what_is_needed_and_missing_is_named(body: str, names: tuple[str, ...]) -> None:
    for name in names:
        refused = refusal(without(body, name))
        assert (refused.code, refused.pointer) == (Code.REQUEST_INVALID, f"/{name}")


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (SCP01, ("tokencuid", "KDD", "host_challenge", "card_challenge", "KeyInfo")),
        (SCP03, ("tokencuid", "KDD", "host_challenge", "card_challenge", "KeyInfo")),
        (SCP02, ("tokencuid", "KDD", "KeyInfo", "sequenceCounter", "derivationConstant")),
        (NEW_KEYS, ("tokencuid", "KDD", "KeyInfo", "newKeyInfo")),
        (CHALLENGE, ("tokencuid", "KDD", "KeyInfo")),
    ],
)
@pytest.mark.parametrize("value", ["", "#01", "#01" * 11, "#"])
def test_what_has_another_length_is_named(body: str, names: tuple[str, ...], value: str) -> None:
    for name in names:
        refused = refusal(with_other(body, name, value))
        assert (refused.code, refused.pointer) == (Code.REQUEST_INVALID, f"/{name}")


@pytest.mark.parametrize("value", ["", "#00#00", "#00" * 9])
@pytest.mark.parametrize("body", [SCP01, SCP03])
def test_a_cryptogram_of_another_length_is_a_wrong_one(body: str, value: str) -> None:
    refused = refusal(with_other(body, "card_cryptogram", value))
    assert refused.code is Code.CARD_CRYPTOGRAM_MISMATCH


def test_no_cryptogram_is_a_wrong_one_in_scp01() -> None:
    assert refusal(without(SCP01, "card_cryptogram")).code is Code.CARD_CRYPTOGRAM_MISMATCH


@given(
    st.dictionaries(
        st.sampled_from(NAMES),
        st.one_of(
            st.binary(max_size=20).map(lambda value: b"".join(b"#%02X" % each for each in value)),
            st.sampled_from([b"1", b"2", b"3", b"true", b"", b"#"]),
            st.binary(max_size=40),
        ),
    )
)
def test_whatever_is_asked_is_read_or_refused(found: dict[str, bytes]) -> None:
    try:
        read(operation(found), found)
    except ServiceError as refused:
        code = refused.code
    else:
        return
    assert code in (Code.REQUEST_INVALID, Code.CARD_CRYPTOGRAM_MISMATCH)
