"""Who is served: known by the key in the certificate, in the role that the call asks for."""

from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.site.certificates import at
from tests.site.channels import RANDOM
from tests.site.fixtures import RunningSite
from tests.site.identities import AUDITOR, UNKNOWN
from tmsd.api.all_routes import ROUTES
from tmsd.api.routes import Route
from tmsd.api.server import OPENAPI_PATH

each_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)


@each_route
def test_a_caller_that_the_policy_does_not_name_is_served_nothing(
    site: RunningSite, route: Route
) -> None:
    with site.caller(UNKNOWN) as unknown:
        refused = unknown.send(route.method, at(route.path), b"{}")

    assert (refused.status, refused.code) == (403, "caller-unknown")
    assert refused.document["next"] == "call-officer"


def test_the_refusal_says_what_the_policy_would_have_to_name(site: RunningSite) -> None:
    certificate = site.site.credentials(UNKNOWN).certificate.read_bytes()
    public_key = x509.load_pem_x509_certificate(certificate).public_key()
    spki = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    with site.caller(UNKNOWN) as unknown:
        refused = unknown.post(RANDOM, {"length": 1})

    assert sha256(spki).hexdigest() in refused.document["detail"]


@each_route
def test_a_caller_without_the_role_is_served_nothing(site: RunningSite, route: Route) -> None:
    with site.caller(AUDITOR) as auditor:
        refused = auditor.send(route.method, at(route.path), b"{}")

    assert (refused.status, refused.code) == (403, "role-missing")
    roles = " or ".join(route.roles)
    assert refused.document["detail"] == f"auditor does not have the role {roles}"


def test_the_record_names_who_was_refused_where_that_is_known(site: RunningSite) -> None:
    with site.caller(AUDITOR) as auditor, site.caller(UNKNOWN) as unknown:
        answers = [caller.post(RANDOM, {"length": 1}) for caller in (auditor, unknown)]

    records = [site.trail.of_request(answer.request_id)[0] for answer in answers]
    assert [record.decision.caller for record in records] == ["auditor", None]


def test_the_openapi_document_is_for_callers_alone(site: RunningSite) -> None:
    with site.caller(UNKNOWN) as unknown, site.caller(AUDITOR) as auditor:
        assert unknown.get(OPENAPI_PATH).code == "caller-unknown"
        assert auditor.get(OPENAPI_PATH).status == 200
