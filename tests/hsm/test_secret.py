"""Secrets are lent, and otherwise kept."""

import copy
import pickle

import pytest

from hsm.secret import Secret

VALUE = b"never to be seen"


@pytest.mark.parametrize("shown", [repr, str, "{}".format, "{!r}".format])
def test_a_secret_shows_its_length_alone(shown: object) -> None:
    assert callable(shown)

    assert shown(Secret(VALUE)) == "<Secret of 16 bytes>"


def test_an_error_that_holds_a_secret_does_not_show_it() -> None:
    assert VALUE.decode() not in f"{ValueError(Secret(VALUE))!r}"


def test_secrets_are_not_compared() -> None:
    with pytest.raises(TypeError, match="not compared"):
        _ = Secret(VALUE) == Secret(VALUE)
    with pytest.raises(TypeError, match="not compared"):
        _ = Secret(VALUE) != VALUE
    with pytest.raises(TypeError, match="no keys of a dictionary"):
        hash(Secret(VALUE))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_secrets_are_not_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret(VALUE), protocol)


def test_secrets_are_not_copied() -> None:
    with pytest.raises(TypeError, match="not copied"):
        copy.copy(Secret(VALUE))
    with pytest.raises(TypeError, match="not copied"):
        copy.deepcopy([Secret(VALUE)])


def test_a_secret_has_no_dictionary_to_look_into() -> None:
    with pytest.raises(TypeError):
        vars(Secret(VALUE))


def test_a_lent_secret_is_wiped_afterwards_also_after_an_error() -> None:
    secret = Secret(VALUE)

    with pytest.raises(ZeroDivisionError), secret as value:
        _ = len(value) / 0

    assert secret.reveal() == bytes(16)
    assert len(secret) == 16


def test_wiping_reaches_the_bytes_that_were_lent() -> None:
    secret = Secret(VALUE)
    lent = secret.reveal()

    secret.wipe()

    assert lent == bytes(16)


def test_a_secret_keeps_bytes_of_its_own() -> None:
    given = bytearray(VALUE)

    secret = Secret(given)
    given[:] = bytes(16)

    assert secret.reveal() == VALUE
