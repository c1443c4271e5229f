"""`tmsctl policy`: a new policy is shown, proposed, approved by officers, and activated.

Where the token has a quorum, workers go by no other policy than one that was activated here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path

import click

from tmsd import clock
from tmsd.audit.trail import Trail
from tmsd.ceremony.binding import CardOfOfficer
from tmsd.ceremony.configured_token import configured_token
from tmsd.ceremony.policy_activation import (
    activate,
    governance,
    identity,
    require_activation,
)
from tmsd.ceremony.refusal import Refused
from tmsd.cli.appliance import on_record
from tmsd.cli.configuration import configuration
from tmsd.cli.officer_consent import consent
from tmsd.cli.officer_options import file_path, signs_by_card_or_key
from tmsd.cli.output_file import require_place, write_public
from tmsd.cli.quorum_files import (
    Answered,
    Asking,
    answered_request,
    request_option,
    request_out_option,
    requester_option,
)
from tmsd.config.daemon import DaemonConfig, load_daemon_config
from tmsd.config.policy import Policy, load_policy
from tmsd.config.policy_difference import UNSAFE, differences
from tmsd.config.toml import ConfigError
from tmsd.quorum import canonical
from tmsd.quorum import quorum as quorums
from tmsd.quorum import request as requests
from tmsd.quorum.policy_approval import (
    PolicyApprovals,
    PolicyIdentity,
    request_for,
    require_in_place_of,
    require_request_for,
)
from tmsd.quorum.request import Request

_new_policy = click.option(
    "--policy",
    "policy_file",
    metavar="FILE",
    type=file_path,
    required=True,
    help="The new policy.toml, with the files that it names beside it.",
)
_out = click.option(
    "--out",
    metavar="FILE",
    type=file_path,
    required=True,
    help="It goes here; a file that is there is replaced.",
)


def _asks_a_quorum(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name a request and a quorum; the command gets both as its `asked`."""

    @request_option(required=True)
    @click.option(
        "--quorum",
        "quorum_file",
        metavar="FILE",
        type=file_path,
        required=True,
        help="Who is asked, of propose as well.",
    )
    @wraps(command)
    def packed(*, request_file: Path, quorum_file: Path, **others: object) -> None:
        asked = requests.decode(request_file.read_bytes())
        quorum = quorums.decode(quorum_file.read_bytes())
        command(asked=Asking(asked, quorum), **others)

    return packed


@click.group()
def policy() -> None:
    """Change the policy of a token that has a quorum of officers: nobody else can."""


@policy.command()
@click.argument("old_file", metavar="OLD", type=file_path)
@click.argument("new_file", metavar="NEW", type=file_path)
def diff(old_file: Path, new_file: Path) -> None:
    """Say in plain words all that changes when policy NEW takes the place of OLD."""
    for line in differences(load_policy(old_file), load_policy(new_file)):
        click.echo(line)


@policy.command()
@configuration
@_new_policy
@requester_option
@request_out_option
def propose(config_file: Path, policy_file: Path, requester: str, out: Path) -> None:
    """Ask the officers for a new policy: what they approve goes into a file.

    Beside it, in quorum.json, goes who is asked.
    """
    config, new = load_daemon_config(config_file), load_policy(policy_file)
    require_place(out)
    with configured_token(config.hsm) as token:
        governed = governance(token)
    quorum, before = governed.quorum, governed.in_force
    asked = request_for(identity(new), before, quorum, requester, clock.now())
    asking = Asking(asked, quorum).readable()
    _show(_policy_in_force(config, before), new, asked)
    asking.write(out)


@policy.command()
@_new_policy
@_asks_a_quorum
@click.option(
    "--in-place-of",
    "old_file",
    metavar="FILE",
    type=file_path,
    help="The policy in force; without it, all that the new one says is shown.",
)
@signs_by_card_or_key
@_out
def approve(
    policy_file: Path,
    old_file: Path | None,
    asked: Asking,
    by: CardOfOfficer | Path,
    out: Path,
) -> None:
    """Approve a new policy as an officer, after it is shown. It takes no login at the HSM."""
    new, old = load_policy(policy_file), load_policy(old_file) if old_file else None
    require_place(out)
    requests.require_current(asked.request, asked.quorum, clock.now())
    require_request_for(asked.request, identity(new))
    if old is not None:
        require_in_place_of(asked.request, identity(old))
    _show(old, new, asked.request)
    given = consent(asked.request, asked.quorum, by)
    write_public(out, canonical.encode(given))
    click.echo(f"Approved by {given.officer}: {out}")


@policy.command("activate")
@configuration
@_new_policy
@answered_request(required=True)
def activate_policy(config_file: Path, policy_file: Path, answered: Answered) -> None:
    """Put a policy that was approved in force; what was interrupted goes on."""
    config, new = load_daemon_config(config_file), load_policy(policy_file)
    given = PolicyApprovals(request=answered.request, approvals=answered.approvals)
    with configured_token(config.hsm, writable=True) as token:
        governed = governance(token)
        in_force = require_activation(governed, new, given, clock.now())
        details: dict[str, str | int | bool] = {
            "policy_version": new.version,
            "policy_digest": new.digest,
            **answered.details,
        }

        def done(trail: Trail) -> None:
            activate(token, in_force, new, given, config.policy.file)
            trail.details |= details

        with _going_on():
            on_record(config.audit.file, "policy.activate", done, intent=details)
    click.echo(f"in force: {identity(new)}, approved by {', '.join(in_force.approved_by)}")
    click.echo(f"{config.policy.file} leads to it; systemctl reload tmsd has the daemon go by it")


def _show(old: Policy | None, new: Policy, asked: Request) -> None:
    if old is None:
        click.echo("This is all that the new policy says, as no approved one is at hand:")
    for line in differences(old, new):
        click.secho(line, bold=line.startswith(UNSAFE))
    click.echo()
    for line in asked.shown():
        click.echo(f"  {line}")
    click.echo()


def _policy_in_force(config: DaemonConfig, in_force: PolicyIdentity | None) -> Policy | None:
    """Return the policy in its place, if it is the one in force."""
    try:
        found = load_policy(config.policy.file)
    except ConfigError:
        return None
    return found if identity(found) == in_force else None


@contextmanager
def _going_on() -> Iterator[None]:
    """Say how to go on when an activation stops before its end."""
    try:
        yield
    except Refused:
        raise  # before anything has changed
    except BaseException:
        click.echo("not at its end: the same command goes on with the activation", err=True)
        raise
