"""[store] of tmsd.toml: the database, a file of SQLite's or a server of PostgreSQL's.

No password is in it: the daemon reads one, where the server asks for it, from a file of its
own or from a credential that systemd passes to it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import AfterValidator, Field

from tmsd.config.table import Table
from tmsd.config.toml import Complaint
from tmsd.config.values import Place, credential

_LONGEST = 2048
_EXAMPLE = "postgresql:///tmsd?host=/run/postgresql"
_NO_PASSWORD = "must hold no password: use password_file or password_credential"  # noqa: S105  none
# Of libpq's keywords (PostgreSQL 15, section 34.1.2) those that say where the server is, and how it
# is known. The others are tmsd's own business, or would take secrets from elsewhere.
_KEYWORDS = frozenset(
    {"host", "port", "user", "sslmode", "sslrootcert", "sslcrl", "sslcert", "sslkey"}
    | {"target_session_attrs"}
)
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]*|/[^:,]*)(:[0-9]{1,5})?")
_SECRET_KEYWORDS = frozenset({"password", "passfile", "sslpassword"})


def _check_url(value: str) -> str:
    """Check a connection URI of libpq (section 34.1.1.2), of which no message shows anything."""
    if len(value) > _LONGEST or not value.isprintable() or not value.startswith("postgresql://"):
        raise ValueError(f'must be a URL of PostgreSQL, as "{_EXAMPLE}"')
    try:
        parts = urlsplit(value)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ValueError(f'must be a URL of PostgreSQL, as "{_EXAMPLE}"') from None
    user, _, hosts = parts.netloc.rpartition("@")
    options = dict(pairs)
    if ":" in user or options.keys() & _SECRET_KEYWORDS:
        raise ValueError(_NO_PASSWORD)
    if not parts.path.removeprefix("/") or parts.fragment:
        raise ValueError(f'must end with the name of the database, as "{_EXAMPLE}"')
    if options.keys() - _KEYWORDS:
        raise ValueError(f"may have the parameters {', '.join(sorted(_KEYWORDS))}, and no others")
    is_verified = options.get("sslmode") == "verify-full" and bool(options.get("sslrootcert"))
    _check_hosts(unquote(options.get("host", hosts)).split(","), is_verified=is_verified)
    return value


def _check_hosts(hosts: list[str], *, is_verified: bool) -> None:
    """Refuse a way to the server on which somebody else could answer for it."""
    if not all(_HOST.fullmatch(host) for host in hosts):
        raise ValueError("must name hosts, and ports of them, or the folder of a Unix socket")
    on_this_machine = all(not host or host.startswith("/") for host in hosts)
    if not on_this_machine and not is_verified:
        raise ValueError(
            "needs sslmode=verify-full and sslrootcert, as the server is reached over a network; "
            "one on this machine is reached by its Unix socket"
        )


class StoreConfig(Table):
    """[store]: the database of what is remembered over a restart.

    Attributes:
        file: where the SQLite file is, unless there is a URL.
        url: how a PostgreSQL database is reached.
    """

    file: Place = Field(default=Path("tmsd.db"), validate_default=True)
    url: Annotated[str, AfterValidator(_check_url)] | None = None
    password_file: Place | None = None
    password_credential: Annotated[str, credential("database-password")] | None = None

    def complaints(self) -> Iterator[Complaint]:
        """Yield what the two kinds of database have against each other."""
        if self.url is not None and "file" in self.model_fields_set:
            yield Complaint(("url",), "stands beside file: keep one of the two")
        if self.url is None and (self.password_file or self.password_credential):
            yield Complaint((), "has a password without a url to use it for")
        if self.password_file is not None and self.password_credential is not None:
            yield Complaint(
                ("password_credential",), "stands beside password_file: keep one of the two"
            )
