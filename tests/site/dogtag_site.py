"""A site that TPSs of Dogtag use, with the keys of the recordings, and TPSs that ask it."""

import ssl
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse, HTTPSConnection
from ssl import PEM_cert_to_DER_cert
from typing import Self

from hsm.secret import Secret
from hsm.token import open_token
from tests.site.caller import ANSWER_SECONDS, tls_settings
from tests.site.directory import HOST, Site, reserved_port
from tests.site.dogtag_policy import TPS as RECORDED
from tests.site.dogtag_policy import import_keys, policy_text, write_policy
from tests.site.identities import (
    BRANCH,
    CLOSED_OFFLINE,
    DESK,
    OFFLINE,
    OLD_OFFLINE,
    TPS,
    UNKNOWN,
)
from tests.softhsm.tokens import USER_PIN
from tmsd.api.callers import public_key_sha256

FORM = "application/x-www-form-urlencoded"

NATIVE = TPS
"""Speaks the API, and may use every key set."""

OPEN = OFFLINE
"""A TPS whose recent sessions are not asked for."""

WINDOWED = OLD_OFFLINE
"""One that is told nothing of a card without a recent session."""

OTHER = CLOSED_OFFLINE
"""Another such."""

LIMITED = DESK
"""One that may have four unverified keys of a card in a minute."""

CAREFUL = BRANCH
"""One that gets no unverified keys."""

STRANGE = UNKNOWN
"""Has a certificate of the callers' CA, and no place in the policy."""

_UNLIMITED = "requests_per_second = 1e6\nburst = 1_000_000\nfailures_per_minute = 1_000_000"
_OF_TPS = {
    OPEN: "require_recent_session = false",
    WINDOWED: "",
    OTHER: "",
    LIMITED: "unverified_keys_per_minute = 4",
    CAREFUL: "allow_unverified_scp02 = false",
}
_LIMIT, _ALLOWED = "unverified_keys_per_minute = 1000", "allow_unverified_scp02 = true"


@dataclass(frozen=True, slots=True)
class Answered:
    """What a TPS was answered."""

    http_status: int
    content_type: str | None
    body: bytes
    request_id: str | None
    retry_after: str | None

    @property
    def fields(self) -> dict[str, bytes]:
        """The fields in their order, taken apart as a TPS does it."""
        pairs = (pair.partition(b"=") for pair in self.body.split(b"&"))
        return {name.decode(): _percent_decoded(value) for name, _, value in pairs if name}


def _percent_decoded(value: bytes) -> bytes:
    return bytes.fromhex(value.decode().replace("%", "")) if value.startswith(b"%") else value


class DogtagSite:
    """A site beside which TPSs of Dogtag are listened to.

    Args:
        site: whose policy and token are replaced and filled.
        of_tps: the TPSs, and the lines of each.
        has_table: whether tmsd.toml has [dogtag].
    """

    def __init__(
        self, site: Site, of_tps: dict[str, str] | None = None, *, has_table: bool = True
    ) -> None:
        self.site = site
        self._reserved = reserved_port()
        self.port: int = self._reserved.getsockname()[1]
        if has_table:
            with site.configuration.open("a") as configuration:
                configuration.write(f'\n[dogtag]\nlisten = "{HOST}:{self.port}"\n')
        self.write_policy(_OF_TPS if of_tps is None else of_tps)
        with open_token(site.token, Secret(USER_PIN), writable=True) as token:
            import_keys(token)

    def close(self) -> None:
        """Give the port back."""
        self._reserved.close()

    def write_policy(self, of_tps: dict[str, str], version: int = 1) -> None:
        """Write policy.toml for these TPSs, and for one that speaks the API."""
        whole = policy_text("0" * 64)
        of_recorded, rest = whole.split("\n[transport_keys.", 1)
        tables = [self._table(of_recorded, name, lines) for name, lines in of_tps.items()]
        native = (
            f'[callers.{NATIVE}]\npublic_key_sha256 = "{self._public_key(NATIVE)}"\n'
            f'roles = ["tps"]\nkey_sets = ["*"]\n{_UNLIMITED}\n'
        )
        text = "\n".join([f"version = {version}", native, *tables, f"[transport_keys.{rest}"])
        write_policy(self.site.directory, text)

    def _table(self, of_recorded: str, name: str, lines: str) -> str:
        text = of_recorded.replace(f"callers.{RECORDED}", f"callers.{name}")
        text = text.replace("0" * 64, self._public_key(name))
        text = text.replace('roles = ["tps"]', f'roles = ["tps"]\n{_UNLIMITED}')
        if "unverified_keys_per_minute" in lines:
            text = text.replace(f"{_LIMIT}\n", "")
        if "allow_unverified_scp02" in lines:
            text = text.replace(f"{_ALLOWED}\n", "")
        return f"{text}\n{lines}\n"

    def _public_key(self, name: str) -> str:
        pem = self.site.credentials(name).certificate.read_text()
        return public_key_sha256(PEM_cert_to_DER_cert(pem))


class Tps:
    """A TPS's connection to a site; it is opened when it is needed."""

    def __init__(self, site: DogtagSite, name: str, settings: ssl.SSLContext | None = None) -> None:
        tls = settings or tls_settings(site.site, name)
        self._connection = HTTPSConnection(HOST, site.port, context=tls, timeout=ANSWER_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._connection.close()

    def ask(self, path: str, body: str | bytes, content_type: str = FORM) -> Answered:
        """Send a form."""
        content = body if isinstance(body, bytes) else body.encode()
        return self.send("POST", path, content, {"Content-Type": content_type})

    def send(
        self, method: str, path: str, content: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answered:
        """Send anything."""
        try:
            self._connection.request(method, path, content, headers or {})
            return answered(self._connection.getresponse())
        except BaseException:
            self._connection.close()
            raise


def answered(response: HTTPResponse) -> Answered:
    """Read an answer to its end."""
    header = response.getheader
    return Answered(
        http_status=response.status,
        content_type=header("Content-Type"),
        body=response.read(),
        request_id=header("X-Request-Id"),
        retry_after=header("Retry-After"),
    )


@contextmanager
def _closing(site: DogtagSite) -> Iterator[DogtagSite]:
    try:
        yield site
    finally:
        site.close()


def dogtag_site(
    site: Site, of_tps: dict[str, str] | None = None, *, has_table: bool = True
) -> AbstractContextManager[DogtagSite]:
    """Make a site one that TPSs of Dogtag use, until left."""
    return _closing(DogtagSite(site, of_tps, has_table=has_table))
