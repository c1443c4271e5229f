"""Files that go between who asks a quorum and its officers: a request, the quorum, approvals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Self

import click

from tmsd.cli.officer_options import file_path
from tmsd.cli.output_file import write_public
from tmsd.quorum import approval as approvals
from tmsd.quorum import canonical
from tmsd.quorum import request as requests
from tmsd.quorum.approval import Approval
from tmsd.quorum.quorum import Quorum
from tmsd.quorum.request import Request

QUORUM_FILE = "quorum.json"
_LONGEST_DETAIL = 1000

requester_option = click.option(
    "--requester", metavar="NAME", required=True, help="Who asks, and cannot approve."
)
request_out_option = click.option(
    "--out",
    metavar="FILE",
    type=file_path,
    required=True,
    help="The request goes here; a file that is there is replaced.",
)


@dataclass(frozen=True, slots=True)
class Asking:
    """A request, and who is asked."""

    request: Request
    quorum: Quorum

    def readable(self) -> Self:
        """Return this, once it is sure that what is written can be read again.

        Raises:
            ApprovalRefused: `request-malformed`: a name, for one, may be none.
        """
        requests.decode(canonical.encode(self.request))
        return self

    def write(self, out: Path) -> None:
        """Write the request, and beside it, in quorum.json, who is asked; say so."""
        write_public(out, canonical.encode(self.request))
        write_public(out.with_name(QUORUM_FILE), canonical.encode(self.quorum))
        needed = self.quorum.approvals
        click.echo(f"{needed} officers have to approve it: {out}, {QUORUM_FILE} beside it")


@dataclass(frozen=True, slots=True)
class Answered:
    """A request, and the approvals of it that came back."""

    request: Request
    approvals: tuple[Approval, ...]

    @property
    def details(self) -> dict[str, str | int | bool]:
        """What records say of it."""
        officers = ", ".join(dict.fromkeys(each.officer for each in self.approvals))
        return details_of(self.request) | {"approved_by": officers[:_LONGEST_DETAIL]}


def details_of(request: Request) -> dict[str, str | int | bool]:
    """Return what records say of a request."""
    return {
        "request": request.request_id,
        "request_sha256": request.digest.hex(),
        "requester": request.requester,
    }


def request_option(*, required: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the option that names a request, which comes as `request_file`."""
    return click.option(
        "--request",
        "request_file",
        metavar="FILE",
        type=file_path,
        required=required,
        help="Of propose.",
    )


def answered_request(*, required: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options that name a request and its approvals, which come as `answered`.

    Args:
        required: whether there must be one; else it is None without.
    """

    def added(command: Callable[..., None]) -> Callable[..., None]:
        @request_option(required=required)
        @click.option(
            "--approval",
            "approval_files",
            metavar="FILE",
            type=file_path,
            multiple=True,
            help="Of approve; again for each officer.",
        )
        @wraps(command)
        def packed(
            *, request_file: Path | None, approval_files: Sequence[Path], **others: object
        ) -> None:
            if request_file is None and approval_files:
                raise click.UsageError("approvals take --request, which was approved")
            answered = None if request_file is None else _read(request_file, approval_files)
            command(answered=answered, **others)

        return packed

    return added


def _read(request: Path, given: Sequence[Path]) -> Answered:
    return Answered(
        requests.decode(request.read_bytes()),
        tuple(approvals.decode(file.read_bytes()) for file in given),
    )
