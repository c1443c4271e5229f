"""The table of targets."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.fuzz import (
    answers,
    certificates,
    channels,
    dogtag,
    dogtag_tks,
    frames,
    key_blocks,
    relying_parties,
    sealed,
    specifications,
)


@dataclass(frozen=True, slots=True)
class Target:
    """What is fuzzed: `run` fails where an input breaks it; `seeds` are inputs to begin with."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]


TARGETS = {
    "initialize-update": Target(
        specifications.initialize_update, specifications.initialize_updates
    ),
    "command": Target(specifications.command, specifications.commands),
    "wrap": Target(channels.wrap, channels.batches),
    "unwrap": Target(channels.unwrap, channels.responses),
    "session": Target(sealed.session, sealed.sessions),
    "ticket": Target(sealed.challenge, sealed.challenges),
    "cs-cfg": Target(dogtag_tks.cs_cfg, dogtag_tks.cs_cfgs),
    "key-block": Target(key_blocks.read, key_blocks.key_blocks),
    "frames": Target(frames.frames, frames.streams),
    "dogtag-request": Target(dogtag.request, dogtag.requests_recorded),
    "csr": Target(certificates.request, certificates.requests),
    "fields": Target(certificates.fields, certificates.field_values),
    "ocsp-request": Target(relying_parties.ocsp_request, relying_parties.ocsp_requests),
    "ocsp-path": Target(relying_parties.ocsp_path, relying_parties.ocsp_paths),
    "ocsp-answer": Target(answers.ocsp_answer, answers.ocsp_answers),
}
