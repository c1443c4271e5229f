"""[store] of tmsd.toml: the one kind of database or the other, and no secret."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tmsd.config.daemon import DaemonConfig

Daemon = Callable[..., DaemonConfig]
Refusal = Callable[..., list[str]]

NO_PASSWORD = "must hold no password: use password_file or password_credential"
OVER_A_NETWORK = (
    "needs sslmode=verify-full and sslrootcert, as the server is reached over a network; "
    "one on this machine is reached by its Unix socket"
)
NO_URL = 'must be a URL of PostgreSQL, as "postgresql:///tmsd?host=/run/postgresql"'
NO_DATABASE = 'must end with the name of the database, as "postgresql:///tmsd?host=/run/postgresql"'
KEYWORDS = (
    "may have the parameters host, port, sslcert, sslcrl, sslkey, sslmode, sslrootcert, "
    "target_session_attrs, user, and no others"
)


def test_a_file_is_the_default(daemon: Daemon, tmp_path: Path) -> None:
    store = daemon().store
    assert (store.file, store.url) == (tmp_path / "tmsd.db", None)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///tmsd",
        "postgresql:///tmsd?host=/run/postgresql",
        "postgresql://tmsd@%2Frun%2Fpostgresql:5433/tmsd",
        "postgresql://tmsd@db.example:5432/tmsd?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        "postgresql://a,b:5433/d?sslmode=verify-full&sslrootcert=a&target_session_attrs=read-write",
    ],
)
def test_a_url_without_a_password_is_taken(daemon: Daemon, url: str) -> None:
    assert daemon(store=f'url = "{url}"').store.url == url


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://tmsd:hunter2@/tmsd", NO_PASSWORD),
        ("postgresql://:hunter2@db.example/tmsd", NO_PASSWORD),
        ("postgresql:///tmsd?password=hunter2", NO_PASSWORD),
        ("postgresql:///tmsd?sslpassword=hunter2", NO_PASSWORD),
        ("postgresql:///tmsd?passfile=/hunter2", NO_PASSWORD),
        (
            "postgresql://tmsd:hunter2/x@db/tmsd",
            "must name hosts, and ports of them, or the folder of a Unix socket",
        ),
        ("postgresql://tmsd:hunter2?x@db/tmsd", NO_URL),
        ("postgresql://tmsd:hunter2#x@db/tmsd", NO_DATABASE),
        ("postgresql://db.example/tmsd", OVER_A_NETWORK),
        ("postgresql://127.0.0.1/tmsd?sslmode=require&sslrootcert=/ca.pem", OVER_A_NETWORK),
        ("postgresql://127.0.0.1/tmsd?sslmode=verify-full", OVER_A_NETWORK),
        ("postgresql://127.0.0.1/tmsd?sslmode=verify-full&sslrootcert=", OVER_A_NETWORK),
        ("postgresql:///tmsd?host=db.example", OVER_A_NETWORK),
        ("postgresql:///tmsd?host=/run/postgresql,db.example", OVER_A_NETWORK),
        ("postgresql:///", NO_DATABASE),
        ("postgresql:///tmsd?options=-cfsync%3Doff", KEYWORDS),
        ("postgresql:///tmsd?hunter2", NO_URL),
        ("mysql:///hunter2", NO_URL),
        ("hunter2", NO_URL),
        ("postgresql:///" + "hunter2" * 300, NO_URL),
    ],
)
def test_another_is_refused_and_not_shown(
    daemon: Daemon, refusal: Refusal, url: str, message: str
) -> None:
    told = refusal(daemon, store=f'url = "{url}"')
    assert told == [f"15: store.url: {message}"]
    assert "hunter2" not in "".join(told)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            'file = "a.db"\nurl = "postgresql:///tmsd"',
            "16: store.url: stands beside file: keep one of the two",
        ),
        ('password_file = "p"', "14: store: has a password without a url to use it for"),
        (
            'url = "postgresql:///tmsd"\npassword_file = "p"\npassword_credential = "p"',
            "17: store.password_credential: stands beside password_file: keep one of the two",
        ),
        (
            'url = "postgresql:///tmsd"\npassword_credential = "a/b"',
            (
                "16: store.password_credential: must be the name of a systemd credential, "
                "as \"database-password\", not 'a/b'"
            ),
        ),
    ],
)
def test_keys_that_do_not_go_together_are_refused(
    daemon: Daemon, refusal: Refusal, body: str, message: str
) -> None:
    assert refusal(daemon, store=body) == [message]
