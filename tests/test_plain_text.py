"""Text from elsewhere hides nothing, and tells a terminal nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmsd.audit.record import Decision, Outcome
from tmsd.ceremony.refusal import Refused
from tmsd.plain_text import plain
from tmsd.quorum import canonical
from tmsd.quorum.request import Request


@given(st.text(alphabet=st.characters(codec=None), max_size=2000))
def test_whatever_it_is_it_can_be_printed_and_recorded(text: str) -> None:
    assert plain(text).isprintable()
    Decision(operation="x", outcome=Outcome.FAILED, details={"reason": plain(text)})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Königin, 2 of 3", "Königin, 2 of 3"),
        ("\x1b[2J\N{RIGHT-TO-LEFT OVERRIDE}x", r"\x1b[2J\u202ex"),
        ("one\ntwo", "one; two"),
    ],
)
def test_what_can_be_printed_stays_and_the_rest_is_escaped(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_a_document_and_a_refusal_say_nothing_to_a_terminal() -> None:
    with pytest.raises(ValueError, match="unknown field") as wrong:
        canonical.decode(b'{"\\u001b[2J":1}\n', Request)

    assert str(wrong.value).isprintable()
    assert str(Refused("it is for CN=\x1b[2J")) == r"it is for CN=\x1b[2J"
