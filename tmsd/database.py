"""Where the database is: what [store] of tmsd.toml comes to, and reading it beside the daemon."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from tmsd.config.store import StoreConfig
from tmsd.store.database import Place, reason_of
from tmsd.store.error import StoreError
from tmsd.store.postgresql import PostgresqlServer
from tmsd.store.sqlite import SqliteFile

T = TypeVar("T")


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


def read_store(store: StoreConfig, job: Callable[[Connection], T]) -> T:
    """Return what a job reads in the database, which it cannot change.

    Raises:
        StoreError: the database cannot be read.
    """
    database = database_place(store).open_to_read()
    try:
        with database.engine.begin() as connection:
            return job(connection)
    except SQLAlchemyError as error:
        raise StoreError(f"the database cannot be read: {reason_of(error)}") from error
    finally:
        database.engine.dispose()
