"""PostgreSQL over a network: each side shows a certificate, and neither believes another."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from tests.demo.site import free_port
from tests.postgresql.cluster import made_cluster
from tests.site.identities import Credentials, credentials, write_identity
from tests.store.jobs import put
from tmsd.config.store import StoreConfig
from tmsd.database import database_place
from tmsd.quickstart.certificates import certificate_authority, client_identity, server_identity
from tmsd.store.database import Place
from tmsd.store.error import StoreError
from tmsd.store.store import Store

pytestmark = pytest.mark.xdist_group("a server over a network")


@dataclass(frozen=True, slots=True)
class Way:
    """A way to the server: by which name of its, what is trusted, and what is shown."""

    host: str = "localhost"
    ca: str = "ca"
    client: str | None = "tmsd"


@dataclass(frozen=True, slots=True)
class Network:
    """A server at a TCP port, a database, and a folder with everybody's certificates."""

    port: int
    database: str
    folder: Path

    def files(self, name: str) -> Credentials:
        """Say where somebody's files are."""
        return credentials(self.folder, name)

    def place(self, way: Way) -> Place:
        """Return where the database is, as [store] has it."""
        options = ["sslmode=verify-full", f"sslrootcert={self.files(way.ca).certificate}"]
        if way.client is not None:
            files = self.files(way.client)
            options += [f"sslcert={files.certificate}", f"sslkey={files.private_key}"]
        server = f"postgresql://tmsd@{way.host}:{self.port}"
        return database_place(StoreConfig(url=f"{server}/{self.database}?{'&'.join(options)}"))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    folder = tmp_path_factory.mktemp("network")
    ca, another = certificate_authority("a site"), certificate_authority("another site")
    identities = {
        "ca": ca,
        "another-ca": another,
        "server": server_identity(ca, "localhost", ["localhost"], []),
        "tmsd": client_identity(ca, "tmsd"),
        "somebody": client_identity(ca, "somebody"),
        "stranger": client_identity(another, "tmsd"),
    }
    for name, identity in identities.items():
        write_identity(credentials(folder, name), identity)
    with made_cluster() as cluster:
        server, trusted = (credentials(folder, name) for name in ("server", "ca"))
        cluster.start_over_network(free_port(), server, trusted.certificate)
        yield Network(cluster.port, cluster.make_database(), folder)


def session(connection: Connection) -> tuple[object, ...]:
    query = "SELECT ssl, version, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    return tuple(connection.execute(text(query)).one())


async def test_who_shows_what_the_other_expects_gets_through(network: Network) -> None:
    async with Store.open(network.place(Way())) as store:
        await store.run(put(b"one"))
        assert await store.run(session) == (True, "TLSv1.3", "/CN=tmsd")


@pytest.mark.parametrize(
    ("way", "words"),
    [
        (Way(host="127.0.0.1"), 'does not match host name "127.0.0.1"'),
        (Way(ca="another-ca"), "certificate verify failed"),
        (Way(ca="absent"), 'absent.pem" does not exist'),
        (Way(client=None), "connection requires a valid client certificate"),
        (Way(client="somebody"), 'certificate authentication failed for user "tmsd"'),
        (Way(client="stranger"), "unknown ca"),
    ],
    ids=[
        "a server of another name",
        "a server of another CA",
        "no CA",
        "no certificate",
        "another's certificate",
        "a certificate of another CA",
    ],
)
def test_anything_else_is_refused_and_told_which_way_it_went(
    network: Network, way: Way, words: str
) -> None:
    with pytest.raises(StoreError) as refused:
        network.place(way).open()
    told = str(refused.value)
    assert told.startswith(f"database postgresql://tmsd@{way.host}:{network.port}/")
    assert words in told
