"""Documents that a token keeps come back as they were, and give way to newer ones."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pkcs11 import Attribute, ObjectClass

from hsm.data_objects import read_documents, replace_documents
from hsm.token import Token

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
