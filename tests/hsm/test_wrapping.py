"""Keys leave the token encrypted, if they may, or not at all."""

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap

from hsm.attributes import (
    AES_CARD_KEY,
    COMPONENT,
    DATA_ENCRYPTION_KEY,
    DELIVERED_KEY,
    JOINED_BACKUP_KEY,
    MASTER_KEY,
    NEW_CARD_KEY,
    RESTORED_KEY,
    SESSION_ENC_KEY,
    TRANSPORT_KEY,
    Template,
)
from hsm.capabilities import keeps_unextractable_keys
from hsm.errors import (
    HsmError,
    KeyExists,
    KeyUnsuitable,
    MechanismUnavailable,
    WrappedKeyInvalid,
)
from hsm.importing import destroy_key
from hsm.keys import AES_128, AES_192, AES_256, DES2, DES3, SECRET_32, KeyReference, KeyShape
from hsm.token import Token
from hsm.wrapping import unwrap_key, unwrap_session_key, wrap_for_transport, wrap_key
from tests.hsm.session_keys import session_key
from tests.softhsm.each_token import asked, needs, on_each_token
from tmsd.globalplatform.keys import Algorithm
from tmsd.globalplatform.plain_key import PlainKey, odd_parity
from tmsd.worker.hsm_key import ALGORITHMS

pytestmark = on_each_token


@pytest.mark.parametrize("shape", [AES_128, AES_256], ids=["AES-128", "AES-256"])
@pytest.mark.parametrize("length", [16, 24, 32])
def test_an_aes_key_leaves_as_its_value_in_cbc_with_a_zero_iv(
    hsm_token: Token, shape: KeyShape, length: int
) -> None:
    dek, new = bytes(range(length)), bytes(range(0x40, 0x40 + shape.length))
    with hsm_token.operation() as operation:
        wrapping = session_key(hsm_token, operation, dek, DATA_ENCRYPTION_KEY)
        leaving = session_key(hsm_token, operation, new, NEW_CARD_KEY)

        wrapped = wrap_key(wrapping, leaving)

    (algorithm,) = [a for s, a in ALGORITHMS.items() if s.is_aes and s.length == length]
    assert wrapped == PlainKey(algorithm, dek).wrap_key(PlainKey(ALGORITHMS[shape], new))


def test_a_triple_des_key_leaves_as_its_value_in_ecb_or_it_is_said_that_it_cannot(
    hsm_token: Token,
) -> None:
    dek, new = odd_parity(bytes(range(16))), odd_parity(bytes(range(0x40, 0x50)))
    with hsm_token.operation() as operation:
        wrapping = session_key(hsm_token, operation, dek, DATA_ENCRYPTION_KEY, DES2)
        leaving = session_key(hsm_token, operation, new, NEW_CARD_KEY, DES2)

        if asked(hsm_token).wraps_des3_ecb:
            assert wrap_key(wrapping, leaving) == PlainKey(Algorithm.DES2, dek).encrypt_ecb(new)
        else:
            with pytest.raises(MechanismUnavailable, match="CKM_DES3_ECB"):
                wrap_key(wrapping, leaving)


@pytest.mark.parametrize("template", [MASTER_KEY, AES_CARD_KEY], ids=["master", "card key"])
def test_no_other_key_leaves(hsm_token: Token, template: Template) -> None:
    _needs_unextractable_keys_kept(hsm_token)
    with hsm_token.operation() as operation:
        wrapping = session_key(hsm_token, operation, bytes(range(16)), DATA_ENCRYPTION_KEY)
        staying = session_key(hsm_token, operation, bytes(range(16)), template)

        with pytest.raises(HsmError, match=r"Unextractable|NotWrappable"):
            wrap_key(wrapping, staying)


def test_only_a_data_encryption_key_wraps(hsm_token: Token) -> None:
    with hsm_token.operation() as operation:
        other = session_key(hsm_token, operation, bytes(range(16)), AES_CARD_KEY)
        leaving = session_key(hsm_token, operation, bytes(range(16)), NEW_CARD_KEY)

        with pytest.raises(KeyUnsuitable, match="lacks CKA_WRAP"):
            wrap_key(other, leaving)


class TestForTransport:
    @pytest.mark.parametrize("length", [16, 24, 32])
    @pytest.mark.parametrize(
        "shape", [AES_128, AES_192, AES_256, DES2], ids=lambda s: ALGORITHMS[s].name
    )
    def test_a_key_leaves_by_aes_key_wrap(
        self, hsm_token: Token, shape: KeyShape, length: int
    ) -> None:
        needs(hsm_token, "wraps_aes_key_wrap")
        transport, value = bytes(range(length)), odd_parity(bytes(range(0x40, 0x40 + shape.length)))
        with hsm_token.operation() as operation:
            wrapping = session_key(hsm_token, operation, transport, TRANSPORT_KEY)
            leaving = session_key(hsm_token, operation, value, DELIVERED_KEY, shape)

            wrapped = wrap_for_transport(wrapping, leaving)

        assert len(wrapped) == shape.length + 8
        assert aes_key_unwrap(transport, wrapped) == value

    @pytest.mark.parametrize("template", [MASTER_KEY, AES_CARD_KEY, SESSION_ENC_KEY])
    def test_no_other_key_leaves(self, hsm_token: Token, template: Template) -> None:
        needs(hsm_token, "wraps_aes_key_wrap")
        _needs_unextractable_keys_kept(hsm_token)
        with hsm_token.operation() as operation:
            wrapping = session_key(hsm_token, operation, bytes(range(16)), TRANSPORT_KEY)
            staying = session_key(hsm_token, operation, bytes(range(16)), template)

            with pytest.raises(HsmError, match="Unextractable"):
                wrap_for_transport(wrapping, staying)

    def test_a_triple_des_key_wraps_nothing_so(self, hsm_token: Token) -> None:
        with hsm_token.operation() as operation:
            value = bytes(range(16))
            wrapping = session_key(hsm_token, operation, value, TRANSPORT_KEY, DES2)
            leaving = session_key(hsm_token, operation, value, DELIVERED_KEY)

            with pytest.raises(HsmError):
                wrap_for_transport(wrapping, leaving)


class TestUnwrapping:
    BACKUP = bytes(range(32))
    REFERENCE = KeyReference("came back", 7)

    @pytest.mark.parametrize(
        "shape", [AES_128, AES_192, AES_256, DES2, DES3, SECRET_32], ids=lambda s: str(s.length)
    )
    def test_a_key_comes_back_and_is_found_as_what_it_was(
        self, hsm_token: Token, shape: KeyShape
    ) -> None:
        needs(hsm_token, "wraps_aes_key_wrap")
        value = bytes(range(1, 1 + shape.length))
        wrapped = aes_key_wrap(self.BACKUP, value if shape.is_aes else odd_parity(value))
        with hsm_token.operation() as operation:
            backup = session_key(hsm_token, operation, self.BACKUP, JOINED_BACKUP_KEY)
            unwrap_key(hsm_token, backup, self.REFERENCE, wrapped, (shape, RESTORED_KEY))
            try:
                found = hsm_token.find_key(self.REFERENCE)

                assert found.shape == shape
                assert wrap_for_transport(backup, found) == wrapped
                assert not any(found.may(does) for does in ("encrypt", "sign", "derive_key"))
                with pytest.raises(KeyExists):
                    unwrap_key(hsm_token, backup, self.REFERENCE, wrapped, (shape, RESTORED_KEY))
            finally:
                destroy_key(hsm_token, self.REFERENCE)

    @pytest.mark.parametrize("at", [0, 9, 23])
    def test_what_was_changed_does_not_come_back(self, hsm_token: Token, at: int) -> None:
        needs(hsm_token, "wraps_aes_key_wrap")
        wrapped = bytearray(aes_key_wrap(self.BACKUP, bytes(16)))
        wrapped[at] ^= 1
        with hsm_token.operation() as operation:
            backup = session_key(hsm_token, operation, self.BACKUP, JOINED_BACKUP_KEY)

            with pytest.raises(WrappedKeyInvalid, match="another key, or changed"):
                unwrap_session_key(operation, backup, bytes(wrapped), AES_128, COMPONENT)

    def test_what_is_of_another_length_is_not_even_tried(self, hsm_token: Token) -> None:
        wrapped = aes_key_wrap(self.BACKUP, bytes(32))
        with hsm_token.operation() as operation:
            backup = session_key(hsm_token, operation, self.BACKUP, JOINED_BACKUP_KEY)

            with pytest.raises(WrappedKeyInvalid, match="40 bytes are not a key of 16, wrapped"):
                unwrap_session_key(operation, backup, wrapped, AES_128, COMPONENT)

    def test_a_backup_key_does_nothing_but_wrap_and_unwrap(self, hsm_token: Token) -> None:
        with hsm_token.operation() as operation:
            key = session_key(hsm_token, operation, self.BACKUP, JOINED_BACKUP_KEY)

            assert key.may("wrap_key")
            assert key.may("unwrap_key")
            assert not any(key.may(does) for does in ("encrypt", "decrypt", "sign", "derive_key"))


def _needs_unextractable_keys_kept(token: Token) -> None:
    if not keeps_unextractable_keys(token):
        pytest.skip("the token was asked, and wraps keys that have no CKA_EXTRACTABLE")
