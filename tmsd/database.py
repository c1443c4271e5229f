"""Where the database is: what [store] of tmsd.toml comes to."""

import os
from pathlib import Path

from tmsd.config.store import StoreConfig
from tmsd.store.database import Place
from tmsd.store.error import StoreError
from tmsd.store.postgresql import PostgresqlServer
from tmsd.store.sqlite import SqliteFile


def database_place(store: StoreConfig) -> Place:
    """Return the place of the database.

    Raises:
        StoreError: its password is a credential, and systemd passes none.
    """
    if store.url is None:
        return SqliteFile(store.file)
    if store.password_credential is None:
        return PostgresqlServer(store.url, store.password_file)
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if directory is None:
        raise StoreError(
            f"systemd credential {store.password_credential!r}: $CREDENTIALS_DIRECTORY is not set; "
            "start the unit with LoadCredential= or LoadCredentialEncrypted="
        )
    return PostgresqlServer(store.url, Path(directory, store.password_credential))
