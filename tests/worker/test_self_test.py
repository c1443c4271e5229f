"""Known answers: a token that derives rightly passes, one that does not serves nobody."""

from dataclasses import replace

import pytest

from hsm.token import Token
from tests.softhsm.each_token import asked, needs, on_each_token
from tests.vectors import read
from tmsd.globalplatform import scp03
from tmsd.worker import self_test
from tmsd.worker.self_test import KnownAnswerWrong, require_known_answers


@on_each_token
def test_a_token_that_derives_as_specified_passes_for_the_families_that_it_does(
    hsm_token: Token,
) -> None:
    does = asked(hsm_token)
    derived = {"SCP03": does.derives_aes_ecb, "SCP02": does.derives_des3_cbc}

    assert require_known_answers(hsm_token, for_cards=False) == [
        name for name in derived if derived[name]
    ]


@on_each_token
def test_a_token_serves_cards_if_it_derives_for_one_family_at_least(hsm_token: Token) -> None:
    needs(hsm_token, "derives_aes_ecb", "derives_des3_cbc")

    assert require_known_answers(hsm_token, for_cards=True) == ["SCP03", "SCP02"]


@on_each_token
def test_a_token_that_derives_nothing_serves_no_cards_and_all_else(
    hsm_token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(self_test, "_KNOWN", ())

    assert require_known_answers(hsm_token, for_cards=False) == []
    with pytest.raises(KnownAnswerWrong, match="can derive session keys of no protocol"):
        require_known_answers(hsm_token, for_cards=True)


def test_the_known_answers_are_published_ones() -> None:
    published = {
        vector["card_cryptogram"]
        for file in ("scp03_sessions.json", "scp02_sessions.json")
        for vector in read(file)
        if "card_cryptogram" in vector
    }

    assert {known.card_cryptogram.hex() for known in self_test._KNOWN} <= published
    assert {known.protocol for known in self_test._KNOWN} >= {scp03}


@on_each_token
@pytest.mark.parametrize("at", [0, 1])
def test_a_wrong_answer_is_an_error(
    hsm_token: Token, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    needs(hsm_token, "derives_aes_ecb", "derives_des3_cbc")
    known = list(self_test._KNOWN)
    wrong = bytes([known[at].card_cryptogram[0] ^ 1]) + known[at].card_cryptogram[1:]
    known[at] = replace(known[at], card_cryptogram=wrong)
    monkeypatch.setattr(self_test, "_KNOWN", tuple(known))

    with pytest.raises(KnownAnswerWrong, match=f"wrong keys for {known[at].name}"):
        require_known_answers(hsm_token, for_cards=False)
