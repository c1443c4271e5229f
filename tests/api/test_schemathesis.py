"""Requests that schemathesis makes from the OpenAPI document; each answer is as it says.

Among them are requests that fit the document and such as break it in one place: another type,
a bound overstepped, a field missing, one too many, another method, another media type.
"""

import json
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.site.contract import Answer, Asked
from tests.site.directory import HOST
from tests.site.fixtures import RunningSite
from tests.site.identities import TPS

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())

# What fits the document may still be refused for its sense, so that positive_data_acceptance is
# no check for it; and there is no authentication that HTTP sees.
CHECKS = [
    allow_header_conformance,
    content_type_conformance,
    negative_data_rejection,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
]

schema = schemathesis.openapi.from_dict(
    DOCUMENT,
    config=SchemathesisConfig(
        projects=ProjectsConfig(
            default=ProjectConfig(generation=GenerationConfig(deterministic=True))
        )
    ),
)


@schema.parametrize()
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_whatever_is_asked_the_answer_is_one_of_the_document(
    case: schemathesis.Case[Any], site: RunningSite
) -> None:
    files = site.site.credentials(TPS)
    tls: dict[str, Any] = {
        "verify": str(site.site.credentials("ca").certificate),
        "cert": (str(files.certificate), str(files.private_key)),
    }

    answer = case.call(base_url=f"https://{HOST}:{site.site.port}", **tls)

    case.validate_response(answer, checks=CHECKS, transport_kwargs=tls)
    sent = answer.request.body
    assert sent is None or isinstance(sent, str | bytes)
    content = sent.encode() if isinstance(sent, str) else sent
    asked = Asked(case.method.upper(), case.path, content)
    headers = {name.lower(): values[0] for name, values in answer.headers.items()}
    site.contract.hold(asked, Answer(answer.status_code, headers, answer.content, answer.json()))
