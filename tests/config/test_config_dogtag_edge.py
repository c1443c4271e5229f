"""[dogtag] of tmsd.toml: what is not said there is as in [api]."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from tmsd.config.api import ApiConfig
from tmsd.config.dogtag_edge import DogtagEdgeConfig

CERTIFICATE, KEY = Path("/dogtag.pem"), Path("/dogtag.key")
CAS, CRLS = Path("/dogtag-ca.pem"), (Path("/dogtag-ca.crl"),)
API = ApiConfig(
    certificate=Path("/api.pem"),
    private_key=Path("/api.key"),
    caller_trust=Path("/ca.pem"),
    caller_crls=(Path("/ca.crl"),),
)


def test_it_is_another_port_with_the_files_of_the_api() -> None:
    filled_in = DogtagEdgeConfig().filled_in(API)

    assert (filled_in.host, filled_in.port) == ("127.0.0.1", 8444)
    assert filled_in.model_copy(update={"listen": API.listen}) == API


def test_certificate_and_key_are_taken_together() -> None:
    own = DogtagEdgeConfig(certificate=CERTIFICATE, private_key=KEY).filled_in(API)

    assert (own.certificate, own.private_key) == (CERTIFICATE, KEY)
    assert (own.caller_trust, own.caller_crls) == (API.caller_trust, API.caller_crls)


def test_crls_are_of_the_cas_that_they_stand_with() -> None:
    own = DogtagEdgeConfig(caller_trust=CAS, caller_crls=CRLS).filled_in(API)
    assert (own.caller_trust, own.caller_crls) == (CAS, CRLS)
    assert DogtagEdgeConfig(caller_trust=CAS).filled_in(API).caller_crls == ()


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"certificate": CERTIFICATE}, "each needs the other"),
        ({"private_key": KEY}, "each needs the other"),
        ({"caller_crls": CRLS}, "needs caller_trust"),
    ],
)
def test_half_of_a_pair_is_refused(settings: dict[str, object], missing: str) -> None:
    with pytest.raises(ValidationError, match=missing):
        DogtagEdgeConfig.model_validate(settings)
