"""Answers have the fields of Dogtag's in its order, and its words for what it refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dogtag.exchanges import EXCHANGES, fields_of
from tmsd.config.key_sets import Scp
from tmsd.dogtag import answers
from tmsd.dogtag.answers import Page
from tmsd.dogtag.requests import Operation
from tmsd.errors import Code, ServiceError
from tmsd.vault.dogtag_messages import (
    ChallengeEncrypted,
    KeygenKey,
    KeygenKeys,
    KeySetDataMade,
    Scp02KeyMade,
    SessionKeysMade,
)

MAC, ENC, DEK = b"M" * 16, b"E" * 16, b"D" * 16
DES = KeygenKey(under_dek=b"d" * 16, key_check_value=b"DES", for_drm=b"1" * 256)
AES = KeygenKey(under_dek=b"a" * 16, key_check_value=b"AES", for_drm=b"2" * 256)
DES_ALONE = KeygenKeys(des=DES, aes=None)
BOTH = KeygenKeys(des=DES, aes=AES)

_OTHER_CODES = [
    code
    for code in Code
    if code
    not in {
        *(Code.CERTIFICATE_REFUSED, Code.CALLER_UNKNOWN, Code.ROLE_MISSING),
        *(Code.OVERLOADED, Code.RATE_LIMITED, Code.HSM_UNAVAILABLE, Code.AUDIT_UNAVAILABLE),
        *(Code.STORE_UNAVAILABLE, Code.CLOCK_UNRELIABLE, Code.INTERNAL_ERROR),
        *(Code.BODY_TOO_LARGE, Code.REQUEST_TIMEOUT),
        *(Code.REQUEST_INVALID, Code.CARD_CRYPTOGRAM_MISMATCH, Code.KEY_MISSING),
    }
]


def keys_made(keygen: KeygenKeys | None, dek: bytes | None = None) -> SessionKeysMade:
    return SessionKeysMade(
        mac=MAC,
        enc=ENC,
        dek=dek,
        host_cryptogram=b"C" * 8,
        keygen=keygen,
        voucher=b"V",
        key_material_in_worker=False,
    )


def names(page: Page) -> list[str]:
    return list(fields_of(page.body))


def refused(operation: Operation, code: Code, pointer: str | None = None) -> Page:
    return answers.refused(operation, ServiceError(code, "as told", pointer=pointer))


@pytest.mark.parametrize(
    ("page", "recorded"),
    [
        (answers.session_keys(Scp.SCP01, keys_made(None)), "scp01-v1-dev-2"),
        (answers.session_keys(Scp.SCP01, keys_made(DES_ALONE)), "scp01-v1-dev-ssk-2"),
        (answers.session_keys(Scp.SCP03, keys_made(None)), "scp03-v4-none-aes256"),
        (answers.session_keys(Scp.SCP03, keys_made(DES_ALONE, DEK)), "scp03-v3-none-aes128-ssk"),
        (answers.scp02_key(Scp02KeyMade(ENC, None, b"V", False)), "scp02-v1-dev-enc"),
        (answers.scp02_key(Scp02KeyMade(DEK, DES_ALONE, b"V", False)), "scp02-v1-dev-dek-ssk"),
        (answers.key_set_data(KeySetDataMade(b"K" * 67, [b"kcv"] * 3, False)),
         "cks-scp01-v2-to-v1-nist"),
        (answers.challenge(ChallengeEncrypted(b"c" * 16, b"e" * 16, False)), "enc-scp01-v2-nist"),
        (answers.random(b"r"), "random-1"),
        (answers.random(b""), "random-0"),
    ],
)  # fmt: skip
def test_fields_have_the_recorded_order_and_type(page: Page, recorded: str) -> None:
    exchange = EXCHANGES[recorded]

    assert names(page) == list(exchange.fields)
    assert page.content_type == exchange.content_type
    assert page.http_status == 200


def test_session_key_of_scp01_is_that_for_macs() -> None:
    fields = fields_of(answers.session_keys(Scp.SCP01, keys_made(None)).body)
    assert (fields["sessionKey"], fields["encSessionKey"]) == (MAC, ENC)


def test_with_aes_keys_the_fields_of_scp01_are_those_of_later_versions() -> None:
    fields = fields_of(answers.session_keys(Scp.SCP01, keys_made(BOTH)).body)
    assert list(fields)[4:] == [
        *("kek_wrapped_desKey", "kek_wrapped_aesKey", "keycheck"),
        *("drm_trans_desKey", "drm_trans_aesKey"),
    ]
    assert fields["keycheck"] == b"DES"


def test_with_aes_keys_the_fields_of_scp03_are_those_of_later_versions() -> None:
    fields = fields_of(answers.session_keys(Scp.SCP03, keys_made(BOTH, DEK)).body)
    assert list(fields)[5:] == [
        *("kek_wrapped_desKey", "kek_wrapped_aesKey", "keycheck", "keycheck_des"),
        *("drm_trans_desKey", "drm_trans_aesKey"),
    ]
    assert (fields["keycheck"], fields["keycheck_des"]) == (b"AES", b"DES")
    assert (fields["drm_trans_desKey"], fields["drm_trans_aesKey"]) == (b"1" * 256, b"2" * 256)


def test_scp02_has_no_aes_keys() -> None:
    page = answers.scp02_key(Scp02KeyMade(DEK, BOTH, b"V", False))
    assert names(page)[2:] == ["drm_trans_desKey", "kek_wrapped_desKey", "keycheck"]


@given(st.binary(min_size=1, max_size=1024))
def test_bytes_are_escaped_one_by_one_with_upper_case_digits(value: bytes) -> None:
    page = answers.random(value)

    assert page.body.upper() == page.body.replace(b"status", b"STATUS").replace(
        b"randomData", b"RANDOMDATA"
    )
    assert len(page.body) == len("status=0&randomData=") + 3 * len(value)
    assert fields_of(page.body)["randomData"] == value


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("code", [Code.CERTIFICATE_REFUSED, Code.CALLER_UNKNOWN, Code.ROLE_MISSING])
def test_strangers_are_told_so_by_a_field_alone(operation: Operation, code: Code) -> None:
    assert refused(operation, code) == Page(b"unauthorized=")


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize(
    "code",
    [
        *(Code.OVERLOADED, Code.RATE_LIMITED, Code.HSM_UNAVAILABLE, Code.AUDIT_UNAVAILABLE),
        *(Code.STORE_UNAVAILABLE, Code.CLOCK_UNRELIABLE),
    ],
)
def test_what_cannot_be_done_now_is_told_to_tps_and_load_balancer(
    operation: Operation, code: Code
) -> None:
    page = refused(operation, code)
    assert (page.http_status, page.body) == (503, b"status=1")
    assert page.retry_after is not None
    assert page.retry_after >= 1


@pytest.mark.parametrize("code", _OTHER_CODES)
@pytest.mark.parametrize("operation", set(Operation) - {Operation.UNDECIDED})
def test_what_is_refused_is_answered_200_with_a_status(operation: Operation, code: Code) -> None:
    page = refused(operation, code)
    assert (page.http_status, page.body) == (200, b"status=1")
    assert page.content_type == (None if operation is Operation.SCP02_KEY else "text/html")


def test_a_wrong_cryptogram_is_status_5() -> None:
    assert refused(Operation.SESSION, Code.CARD_CRYPTOGRAM_MISMATCH) == Page(b"status=5")


def test_a_key_that_is_not_in_the_token_is_status_4_where_there_is_one() -> None:
    assert refused(Operation.SESSION, Code.KEY_MISSING) == Page(b"status=4")
    assert refused(Operation.SCP02_KEY, Code.KEY_MISSING) == Page(b"status=4", None)
    assert refused(Operation.ENCRYPT_CHALLENGE, Code.KEY_MISSING) == Page(b"status=1")


@pytest.mark.parametrize(
    ("operation", "page"),
    [
        (Operation.SESSION, Page(b"status=3")),
        (Operation.SCP02_KEY, Page(b"status=3", None)),
        (Operation.KEY_SET_DATA, Page(b"status=3", None)),
        (Operation.ENCRYPT_CHALLENGE, Page(b"status=3")),
        (Operation.RANDOM, Page(b"status=1")),
    ],
)
def test_a_wrong_parameter_is_status_3_but_for_random_bytes(
    operation: Operation, page: Page
) -> None:
    assert refused(operation, Code.REQUEST_INVALID, "/KDD") == page


def test_a_page_tells_what_dogtag_breaks_off() -> None:
    unknown = refused(Operation.KEY_SET_DATA, Code.KEY_VERSION_UNKNOWN, "/newKeyInfo")

    assert unknown == refused(Operation.UNDECIDED, Code.REQUEST_INVALID)
    assert (unknown.http_status, unknown.content_type) == (200, "text/html")
    assert unknown.body.startswith(b"<!DOCTYPE html>")
    assert b"status" not in unknown.body


def test_another_key_type_of_factory_keys_is_answered_nothing_in_scp02() -> None:
    page = refused(Operation.SCP02_KEY, Code.PROTOCOL_MISMATCH, "/KeyInfo")
    assert page == Page(b"", None)
