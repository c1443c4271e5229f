"""Options that name a CA and its certificates, for every command of `tmsctl ca`."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path

import click

from tmsd.ca.revoking import Named
from tmsd.config.authorities import Authority
from tmsd.config.daemon import load_daemon_config
from tmsd.config.policy import load_policy

_SERIAL_NUMBER_LENGTH = 16

ca_option = click.option(
    "--ca", "ca_name", metavar="NAME", required=True, help="As in policy.toml."
)


class _SerialNumber(click.ParamType[bytes]):
    """A serial number in hexadecimal, of 16 bytes, with or without colons between them."""

    name = "HEX"

    def convert(
        self, value: str | bytes, param: click.Parameter | None, ctx: click.Context | None
    ) -> bytes:
        if isinstance(value, bytes):
            return value
        digits = value.replace(":", "").lower().zfill(2 * _SERIAL_NUMBER_LENGTH)
        try:
            serial_number = bytes.fromhex(digits)
        except ValueError:
            self.fail(f"{value!r} is not hexadecimal", param, ctx)
        if len(serial_number) != _SERIAL_NUMBER_LENGTH:
            self.fail("a serial number has 16 bytes", param, ctx)
        return serial_number


def names_a_certificate(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name a certificate, which the command gets as its `named`."""

    @ca_option
    @click.option(
        "--serial",
        "serial_number",
        type=_SerialNumber(),
        required=True,
        help="The serial number; colons between its bytes do no harm.",
    )
    @wraps(command)
    def packed(*, ca_name: str, serial_number: bytes, **others: object) -> None:
        command(named=Named(ca_name, serial_number), **others)

    return packed


def authority_of(config_file: Path, name: str) -> Authority:
    """Return a CA of the policy.

    Raises:
        ConfigError: a file is not right.
        ClickException: the policy has no such CA.
    """
    by_name = load_policy(load_daemon_config(config_file).policy.file).authorities.by_name
    if name not in by_name:
        names = ", ".join(by_name) or "none"
        raise click.ClickException(f"there is no CA {name!r}; the policy has {names}")
    return by_name[name]
