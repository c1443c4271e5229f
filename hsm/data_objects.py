"""Small documents that a token keeps: CKO_DATA objects (PKCS#11 2.40, section 4.5).

Whoever has not logged in can neither read nor change them. They are kept by their label, and
may be there twice for a while as one takes another's place: readers tell which is newer.
"""

from typing import Any

from pkcs11 import Attribute, ObjectClass

from hsm.errors import hsm_errors
from hsm.token import Token

_APPLICATION = "tmsd"


@hsm_errors
def read_documents(token: Token, label: str) -> list[bytes]:
    """Return all documents of a label, in no order."""
    return [bytes(found[Attribute.VALUE]) for found in _objects(token, label)]


@hsm_errors
def add_document(token: Token, label: str, document: bytes) -> None:
    """Keep a document, beside those of the same label.

    Args:
        token: opened writable.
        label: of 1 to 64 bytes.
        document: at least 1 byte.
    """
    token.session.create_object(
        {
            Attribute.CLASS: ObjectClass.DATA,
            Attribute.TOKEN: True,
            Attribute.PRIVATE: True,
            Attribute.MODIFIABLE: False,
            Attribute.APPLICATION: _APPLICATION,
            Attribute.LABEL: label,
            Attribute.VALUE: document,
        }
    )


@hsm_errors
def drop_others(token: Token, label: str, document: bytes) -> None:
    """Keep no other document of a label than this one.

    Args:
        token: opened writable.
        label: of 1 to 64 bytes.
        document: what stays, if it is there.
    """
    for found in _objects(token, label):
        if bytes(found[Attribute.VALUE]) != document:
            found.destroy()


def replace_documents(token: Token, label: str, document: bytes) -> None:
    """Keep a document, and those of the same label no more.

    Args:
        token: opened writable.
        label: of 1 to 64 bytes.
        document: at least 1 byte; it may be there from before an interruption.
    """
    if document not in read_documents(token, label):
        add_document(token, label, document)
    drop_others(token, label, document)


def _objects(token: Token, label: str) -> list[Any]:
    # Private ones alone: anybody can put a public one into a token, without a login.
    wanted = {
        Attribute.CLASS: ObjectClass.DATA,
        Attribute.TOKEN: True,
        Attribute.PRIVATE: True,
        Attribute.LABEL: label,
    }
    return list(token.session.get_objects(wanted))
