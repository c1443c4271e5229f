"""`tmsctl ca list`, `search` and `show`: CAs of the policy, and certificates on record.

They log in nowhere: they read the policy, and the store beside the daemon. What is only looked
at is no decision, and goes on no record. Fields of `--json` are those of the API where it has
them.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial, wraps
from pathlib import Path

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tmsd.ca.revoking import Named
from tmsd.cli.certificate_options import authority_of, ca_option, names_a_certificate
from tmsd.cli.configuration import configuration
from tmsd.cli.output_file import require_place, write_public
from tmsd.cli.records import issued_record, read_records
from tmsd.cli.table import print_table
from tmsd.config.authorities import Authority
from tmsd.config.daemon import load_daemon_config
from tmsd.config.policy import load_policy
from tmsd.store.certificate_search import LONGEST_PAGE, Page, Position, Wanted, search
from tmsd.store.certificates import Record, Status
from tmsd.x509.public_keys import kind_of, spki_sha256

Document = Mapping[str, object]

_CA_HEADINGS = ("NAME", "SUBJECT", "VALID UNTIL", "KEY", "PROFILES")
_HEADINGS = ("SERIAL NUMBER", "SUBJECT", "PROFILE", "CALLER", "VALID UNTIL", "STATUS")
_STATUSES = [status.value for status in Status]
_TOKEN = re.compile(r"([0-9]{1,15})-([0-9a-f]{32})")

_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document, no table.")


class _PageToken(click.ParamType[Position]):
    """Where a page ended, as the command that printed it has it."""

    name = "TOKEN"

    def convert(
        self, value: str | Position, param: click.Parameter | None, ctx: click.Context | None
    ) -> Position:
        if isinstance(value, Position):
            return value
        if not (found := _TOKEN.fullmatch(value)):
            self.fail(f"{value!r} is no token that a page ended with", param, ctx)
        return Position(int(found[1]), bytes.fromhex(found[2]))


@click.command("list")
@configuration
@_json_option
def list_cas(config_file: Path, as_json: bool) -> None:
    """List the CAs of the policy."""
    policy = load_policy(load_daemon_config(config_file).policy.file)
    authorities = policy.authorities.by_name.values()
    if as_json:
        _print_json({"cas": [_described_ca(authority) for authority in authorities]})
    else:
        print_table(_CA_HEADINGS, [_ca_row(authority) for authority in authorities])


def _says_whose(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say of what CA and whose certificates are wanted, as `wanted`."""

    @ca_option
    @click.option("--subject", metavar="TEXT", help="A part of the subject, in either case.")
    @click.option("--profile", metavar="NAME", help="Issued by this profile.")
    @click.option("--caller", metavar="NAME", help="Asked for by this caller, or by `appliance`.")
    @wraps(command)
    def packed(
        *,
        ca_name: str,
        subject: str | None,
        profile: str | None,
        caller: str | None,
        **others: object,
    ) -> None:
        command(wanted=Wanted(ca_name, caller, profile, subject), **others)

    return packed


def _says_of_when(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say how they are and when they end, to what is `wanted`."""

    @click.option("--status", type=click.Choice(_STATUSES), help="How it is.")
    @click.option("--ends-from", type=click.DateTime(), help="Valid until then or later, in UTC.")
    @click.option("--ends-before", type=click.DateTime(), help="Valid until before then, in UTC.")
    @wraps(command)
    def packed(
        *,
        wanted: Wanted,
        status: str | None,
        ends_from: datetime | None,
        ends_before: datetime | None,
        **others: object,
    ) -> None:
        narrowed = replace(
            wanted,
            status=Status(status) if status else None,
            ends_from_ms=_milliseconds(ends_from),
            ends_before_ms=_milliseconds(ends_before),
        )
        command(wanted=narrowed, **others)

    return packed


@click.command("search")
@configuration
@_says_whose
@_says_of_when
@click.option(
    "--page-size",
    type=click.IntRange(1, LONGEST_PAGE),
    default=50,
    show_default=True,
    help="How many at most.",
)
@click.option("--after", type=_PageToken(), help="What the page before ended with.")
@_json_option
def search_certificates(
    config_file: Path, wanted: Wanted, page_size: int, after: Position | None, as_json: bool
) -> None:
    """Look for certificates, in the order in which they end; all that is said must fit."""
    authority_of(config_file, wanted.ca)
    page = read_records(config_file, partial(search, wanted=wanted, after=after, most=page_size))
    if as_json:
        found = [_described(record) for record in page.records]
        _print_json({"certificates": found, "next": _token(page)})
        return
    print_table(_HEADINGS, [_row(record) for record in page.records])
    if token := _token(page):
        click.echo(f"\nThere may be more: --after {token}")


@click.command("show")
@configuration
@names_a_certificate
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Its PEM goes here; a file that is there is replaced.",
)
@_json_option
def show_certificate(config_file: Path, named: Named, out: Path | None, as_json: bool) -> None:
    """Show a certificate that was issued, and how it is."""
    authority_of(config_file, named.ca)
    if out is not None:
        require_place(out)
    record = issued_record(config_file, named)
    pem = _pem(record)
    if out is not None:
        write_public(out, pem.encode())
    described = _described(record)
    if as_json:
        _print_json(described | {"certificate": pem})
        return
    for name, value in described.items():
        if value is not None:
            click.echo(f"{name.replace('_', ' '):18}{value}")
    if out is not None:
        click.echo(f"{'written to':18}{out}")


def _ca_row(authority: Authority) -> tuple[str, ...]:
    certificate, table = authority.certificate, authority.table
    return (
        table.name,
        certificate.subject.rfc4514_string(),
        f"{certificate.not_valid_after_utc:%Y-%m-%d}",
        f"{table.label}:{table.version} {kind_of(certificate.public_key()) or '-'}",
        ", ".join(authority.profiles) or "-",
    )


def _described_ca(authority: Authority) -> Document:
    certificate, table = authority.certificate, authority.table
    return {
        "name": table.name,
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "serial_number": f"{certificate.serial_number:032x}",
        "not_before": _time(certificate.not_valid_before_utc),
        "not_after": _time(certificate.not_valid_after_utc),
        "key": {
            "label": table.label,
            "version": table.version,
            "algorithm": kind_of(certificate.public_key()),
            "public_key_sha256": spki_sha256(certificate.public_key()),
        },
        "profiles": list(authority.profiles),
        "crl_url": table.crl_url,
        "crl_partitions": table.crl_partitions,
        "crl_delta_minutes": table.crl_delta_minutes,
        "certificate_url": table.certificate_url,
        "ocsp_url": table.ocsp.url if table.ocsp else None,
    }


def _row(record: Record) -> tuple[str, ...]:
    reason = record.revocation and record.revocation.reason
    return (
        record.serial.hex(),
        record.subject or "-",
        record.profile,
        record.caller,
        f"{_at(record.not_after_ms):%Y-%m-%d}",
        f"revoked ({reason})" if record.status is Status.REVOKED else record.status,
    )


def _described(record: Record) -> dict[str, object]:
    revocation = record.revocation
    return {
        "ca": record.ca,
        "serial_number": record.serial.hex(),
        "subject": record.subject,
        "profile": record.profile,
        "caller": record.caller,
        "not_before": _time(_at(record.not_before_ms)),
        "not_after": _time(_at(record.not_after_ms)),
        "public_key_sha256": record.public_key_sha256.hex(),
        "status": record.status.value,
        "revoked_at": _time(_at(revocation.revoked_ms)) if revocation else None,
        "reason": revocation.reason.value if revocation else None,
        "invalid_since": (
            _time(_at(revocation.invalidity_ms))
            if revocation and revocation.invalidity_ms is not None
            else None
        ),
        "crl_partition": record.partition or None,
    }


def _pem(record: Record) -> str:
    certificate = x509.load_der_x509_certificate(record.certificate or b"")
    return certificate.public_bytes(Encoding.PEM).decode()


def _token(page: Page) -> str | None:
    return f"{page.next.not_after_ms}-{page.next.serial.hex()}" if page.next else None


def _milliseconds(time: datetime | None) -> int | None:
    return None if time is None else int(time.replace(tzinfo=UTC).timestamp() * 1000)


def _at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1000, UTC)


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def _print_json(document: Document) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))
