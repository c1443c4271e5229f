"""Nothing that is served is missing from the combinations, and nothing else is among them."""

from itertools import product

from pydantic import ValidationError

from tests.matrix.changeovers import CHANGEOVERS
from tests.matrix.combinations import (
    AT_EVERY_LEVEL,
    ISSUERS,
    LEVELS,
    MASTERS,
    SCHEMES,
    WITH_EVERY_DIVERSIFICATION,
)
from tmsd.config.key_sets import ALL_SCHEMES, DiversificationData, KeyAlgorithm, KeySet, Scp
from tmsd.globalplatform import diversification
from tmsd.globalplatform.protocols import PROTOCOLS


def _is_served(scp: Scp, master: KeyAlgorithm, card: KeyAlgorithm, scheme: str) -> bool:
    """Ask the configuration, with every consent given."""
    try:
        KeySet.model_validate(
            {
                "name": "asked",
                "scp": scp,
                "algorithm": master,
                "card_key_algorithm": card,
                "diversification": scheme,
                "undiversified": scheme == "none",
                "allow_key_material_in_worker": True,
                "versions": {1: "active"},
            }
        )
    except ValidationError:
        return False
    return True


def test_every_i_of_every_protocol_is_there_with_its_levels() -> None:
    served = {
        scp: {i: sorted(protocol.levels(i)) for i in protocol.IMPLEMENTATIONS}
        for scp, protocol in PROTOCOLS.items()
    }

    there = {scp: {i: list(levels) for i, levels in by_i.items()} for scp, by_i in LEVELS.items()}

    assert there == served


def test_every_scheme_is_there() -> None:
    known = {*diversification.SCHEMES, *diversification.EXPOSED_SCHEMES}

    assert {scheme for schemes in SCHEMES.values() for scheme in schemes} == known
    assert {issuer.scheme for issuer in ISSUERS} == known == set(ALL_SCHEMES)


def test_exactly_the_diversifications_that_a_policy_may_have_are_there() -> None:
    served = {
        (int(scp, 16), card.value, master.value, scheme)
        for scp, master, card, scheme in product(Scp, KeyAlgorithm, KeyAlgorithm, ALL_SCHEMES)
        if _is_served(scp, master, card, scheme)
    }

    assert {(i.scp, i.algorithm, i.master, i.scheme) for i in ISSUERS} == served


def test_each_goes_by_kdd_and_by_cuid_and_from_one_master_key_and_from_three() -> None:
    kinds = {(i.scp, i.algorithm, i.master, i.scheme) for i in ISSUERS}

    # The third, `cuid-kdd`, goes by the one in some operations and by the other in the rest.
    assert len(DiversificationData) == 3
    assert {
        (i.scp, i.algorithm, i.master, i.scheme, i.by_cuid, i.three_masters) for i in ISSUERS
    } == {(*kind, *how) for kind in kinds for how in product((False, True), repeat=2)}
    assert len(ISSUERS) == 4 * len(kinds)


def test_every_level_of_every_i_comes_up_for_every_algorithm() -> None:
    expected = {
        (scp, algorithm, i, int(level))
        for scp, protocol in PROTOCOLS.items()
        for algorithm in {a for p, a in MASTERS if p == scp}
        for i in protocol.IMPLEMENTATIONS
        for level in protocol.levels(i)
    }

    there = [(c.issuer.scp, c.issuer.algorithm, c.i, c.level) for c in AT_EVERY_LEVEL]

    assert sorted(there) == sorted(expected)
    assert len(there) == 164


def test_every_issuer_meets_every_level_of_every_i_of_its_protocol() -> None:
    expected = {
        (issuer, i, int(level))
        for issuer in ISSUERS
        for i in PROTOCOLS[issuer.scp].IMPLEMENTATIONS
        for level in PROTOCOLS[issuer.scp].levels(i)
    }

    assert {(c.issuer, c.i, c.level) for c in WITH_EVERY_DIVERSIFICATION} == expected
    assert len(WITH_EVERY_DIVERSIFICATION) == len(expected) == 3104


def test_keys_are_changed_at_every_level_in_both_modes() -> None:
    done = {(c.source.scp, c.source.algorithm, c.i, c.level, c.mode) for c in CHANGEOVERS}
    expected = {
        (c.issuer.scp, c.issuer.algorithm, c.i, c.level, mode)
        for c in AT_EVERY_LEVEL
        for mode in ("add", "replace")
    }

    assert done >= expected


def test_keys_are_changed_to_every_algorithm_that_is_not_weaker() -> None:
    expected = {
        (before.value, after.value)
        for before, after in product(KeyAlgorithm, KeyAlgorithm)
        if after.strength >= before.strength
    }

    assert {(c.source.algorithm, c.target.algorithm) for c in CHANGEOVERS} == expected


def test_initial_keys_are_changed_in_every_i_of_every_protocol() -> None:
    initial = {(c.source.scp, c.source.algorithm, c.i) for c in CHANGEOVERS if c.source.factory}

    assert initial == {(c.issuer.scp, c.issuer.algorithm, c.i) for c in AT_EVERY_LEVEL}
