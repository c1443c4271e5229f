"""Documents that a token keeps come back as they were, and give way to newer ones."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pkcs11 import Attribute, ObjectClass

from hsm.data_objects import add_document, drop_others, read_documents, replace_documents
from hsm.module import TokenAddress, find_token, load_module
from hsm.secret import Secret
from hsm.token import Token, open_token
from tests.softhsm.tokens import USER_PIN

LABEL = "a document of tests"


@pytest.fixture
def token(hsm_token: Token) -> Iterator[Token]:
    """A token without such documents, before and after."""
    yield hsm_token
    wanted = {Attribute.CLASS: ObjectClass.DATA, Attribute.LABEL: LABEL}
    for left in list(hsm_token.session.get_objects(wanted)):
        left.destroy()


def test_a_token_has_none_until_it_is_given_one(token: Token) -> None:
    assert read_documents(token, LABEL) == []


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=st.binary(min_size=1, max_size=8192))
def test_a_document_comes_back_as_it_was(token: Token, document: bytes) -> None:
    replace_documents(token, LABEL, document)

    assert read_documents(token, LABEL) == [document]


def test_labels_are_kept_apart(token: Token) -> None:
    replace_documents(token, LABEL, b"one")

    assert read_documents(token, f"{LABEL} 2") == []


def test_nobody_changes_a_document_in_its_place(token: Token) -> None:
    replace_documents(token, LABEL, b"one")
    wanted = {Attribute.CLASS: ObjectClass.DATA, Attribute.LABEL: LABEL}
    (found,) = token.session.get_objects(wanted)

    assert found[Attribute.PRIVATE] is True
    assert found[Attribute.MODIFIABLE] is False


def test_one_takes_anothers_place_and_both_are_there_meanwhile(token: Token) -> None:
    replace_documents(token, LABEL, b"one")
    add_document(token, LABEL, b"two")

    assert sorted(read_documents(token, LABEL)) == [b"one", b"two"]

    drop_others(token, LABEL, b"two")

    assert read_documents(token, LABEL) == [b"two"]


def test_what_somebody_put_there_without_a_login_is_none(fresh_token: TokenAddress) -> None:
    found = find_token(load_module(fresh_token.module, fresh_token.environment), fresh_token)
    with found.open(rw=True) as session:
        forged = {
            Attribute.CLASS: ObjectClass.DATA,
            Attribute.TOKEN: True,
            Attribute.PRIVATE: False,
            Attribute.LABEL: LABEL,
            Attribute.VALUE: b"forged",
        }
        session.create_object(forged)

    with open_token(fresh_token, Secret(USER_PIN)) as token:
        is_there = {Attribute.CLASS: ObjectClass.DATA, Attribute.LABEL: LABEL}
        assert len(list(token.session.get_objects(is_there))) == 1
        assert read_documents(token, LABEL) == []


def test_one_that_is_there_already_is_not_kept_twice(token: Token) -> None:
    replace_documents(token, LABEL, b"one")
    add_document(token, LABEL, b"two")

    replace_documents(token, LABEL, b"two")

    assert read_documents(token, LABEL) == [b"two"]
