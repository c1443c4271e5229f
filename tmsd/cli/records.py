"""What is on record of certificates, read from the store alone: no login, beside the daemon."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from tmsd.ca.revoking import Named
from tmsd.config.daemon import load_daemon_config
from tmsd.database import read_store
from tmsd.errors import Code, ServiceError
from tmsd.store import certificates
from tmsd.store.certificates import Record

T = TypeVar("T")


def read_records(config_file: Path, job: Callable[[Connection], T]) -> T:
    """Return what a job reads in the database, which it cannot change.

    Raises:
        ConfigError: tmsd.toml is not right.
        StoreError: the database cannot be read.
    """
    return read_store(load_daemon_config(config_file).store, job)


def issued_record(config_file: Path, named: Named) -> Record:
    """Return what is on record of a certificate that was issued.

    Raises:
        ConfigError, StoreError: as `read_records`.
        ServiceError: `certificate-unknown`.
    """
    job = partial(certificates.find, ca=named.ca, serial=named.serial_number)
    record = read_records(config_file, job)
    if record is None or record.certificate is None:
        raise ServiceError(
            Code.CERTIFICATE_UNKNOWN,
            f"{named.ca} has issued no certificate of serial number {named.serial_number.hex()}",
        )
    return record
