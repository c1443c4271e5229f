"""Whether two answers to one request say the same: the same bytes, or what random values mean."""

from collections.abc import Mapping

from tests.dogtag.exchanges import Exchange
from tests.site.dogtag_meaning import decrypted, des_key, of_drm
from tests.site.dogtag_site import Answered
from tmsd.globalplatform.keys import key_check_value
from tmsd.globalplatform.plain_key import PlainKey, odd_parity

_OF_KEYGEN = ("kek_wrapped_desKey", "keycheck", "drm_trans_desKey")


def assert_same_answer(answered: Answered, exchange: Exchange, dek: PlainKey | None) -> None:
    """Check an answer of ours against the recorded one.

    Args:
        answered: by ours.
        exchange: that was recorded.
        dek: that challenges, and keys for key generation, are encrypted under.
    """
    assert (answered.http_status, answered.content_type) == (200, exchange.content_type)
    if exchange.response_body is None:
        assert answered.body.startswith(b"<!DOCTYPE html>")
        return
    assert list(answered.fields) == list(exchange.fields)
    if not _is_random(exchange.fields):
        assert answered.body == exchange.response_body.encode()
        return
    for fields in (exchange.fields, answered.fields):
        _assert_meaningful(fields, dek)
    for name, value in exchange.fields.items():
        ours = answered.fields[name]
        assert len(ours) == len(value), name
        if name in {"data", "encryptedData", "randomData", *_OF_KEYGEN}:
            assert not value or len(value) == 1 or ours != value, name
        else:
            assert ours == value, name


def _is_random(fields: Mapping[str, bytes]) -> bool:
    return not fields.keys().isdisjoint({"data", "randomData", *_OF_KEYGEN})


def _assert_meaningful(fields: Mapping[str, bytes], dek: PlainKey | None) -> None:
    if "encryptedData" in fields:
        assert dek is not None
        assert decrypted(dek, fields["encryptedData"]) == fields["data"]
    if "drm_trans_desKey" in fields:
        assert dek is not None
        of_card = decrypted(dek, fields["kek_wrapped_desKey"])
        assert of_card == odd_parity(of_card)
        assert of_drm(fields["drm_trans_desKey"]) == of_card + of_card[:8]
        assert key_check_value(des_key(of_card)) == fields["keycheck"]
