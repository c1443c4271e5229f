"""`tmsctl import`: the configuration of what was there before, as a policy of tmsd.

The work is done in tmsd/dogtag_import/; here is only what is typed and shown.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from tmsd.ceremony.new_file import require_no_file, write_new
from tmsd.ceremony.refusal import Refused
from tmsd.config import pem
from tmsd.config.key_sets import KeyAlgorithm, Scp
from tmsd.config.policy import load_policy
from tmsd.config.toml import ConfigError
from tmsd.dogtag_import.cs_cfg import read
from tmsd.dogtag_import.needed_keys import NeededKey, Purpose, check_value
from tmsd.dogtag_import.planned_policy import (
    KRA_FILE,
    SECRET_ALGORITHMS,
    Given,
    PlannedPolicy,
    planned_policy,
)
from tmsd.dogtag_import.policy_text import policy_text, script_text
from tmsd.dogtag_import.remarks import Kind
from tmsd.dogtag_import.schemes import Choices
from tmsd.dogtag_import.tks_settings import TksSettings, tks_settings
from tmsd.plain_text import plain
from tmsd.x509.public_keys import spki_sha256

_POLICY, _SCRIPT = "policy.toml", "import-keys.toml"
_STEPS = 200  # of one script
_HEADINGS = {
    Kind.NOT_MAPPED: "Not mapped, or otherwise than it was",
    Kind.ASSUMED: "Assumed, as CS.cfg does not say it",
    Kind.TO_DO: "To be done before the policy is whole",
    Kind.UNKNOWN: "Not known",
}
_MOST_SHOWN = 50
_AES = (KeyAlgorithm.AES128, KeyAlgorithm.AES256)

_file = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group("import")
def import_() -> None:
    """Make a policy of the configuration of what was there before."""


@import_.command("dogtag-tks")
@click.argument("cs_cfg", metavar="CS.CFG", type=_file)
@click.option(
    "--output",
    metavar="DIR",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the files go; none that is there is replaced.",
)
@click.option(
    "--release",
    type=click.IntRange(10, 99),
    help="The first number of Dogtag's version, where CS.cfg does not tell it.",
)
@click.option(
    "--tps-certificate",
    "tps_certificates",
    metavar="NAME=FILE",
    multiple=True,
    help="The certificate (PEM) by which a TPS is known, by its user or number in tps.list.",
)
@click.option(
    "--kra-certificate", metavar="FILE", type=_file, help="The DRM's transport certificate (PEM)."
)
@click.option(
    "--shared-secret-algorithm",
    type=click.Choice([one.value for one in SECRET_ALGORITHMS]),
    help="Of the secrets that the TPS share with the TKS.",
)
@click.option(
    "--master-key",
    "master_keys",
    metavar="NICKNAME=ALGORITHM",
    multiple=True,
    help="Whether an AES master key is aes128 or aes256.",
)
@click.option(
    "--scp",
    "protocols",
    type=click.Choice([one.value for one in Scp]),
    multiple=True,
    help="A protocol that the cards speak; without it all.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document, no text.")
def dogtag_tks(  # noqa: PLR0913  one for each option
    *,
    cs_cfg: Path,
    output: Path,
    release: int | None,
    tps_certificates: Sequence[str],
    kra_certificate: Path | None,
    shared_secret_algorithm: str | None,
    master_keys: Sequence[str],
    protocols: Sequence[str],
    as_json: bool,
) -> None:
    """Write a policy for the TPS and cards of a TKS of Dogtag, by its CS.cfg.

    Into DIR go policy.toml, a script of the ceremony for its keys, and the DRM's certificate. What
    could not be mapped is told, and which keys the token needs. docs/dogtag.md has the whole way.
    """
    settings = tks_settings(read(cs_cfg))
    given = Given(
        Choices(
            _release(settings, release),
            tuple(map(Scp, protocols)) or tuple(Scp),
            dict(_algorithms(master_keys)),
        ),
        KeyAlgorithm(shared_secret_algorithm) if shared_secret_algorithm else None,
        dict(_public_keys(tps_certificates)),
        kra_certificate is not None,
    )
    planned = planned_policy(settings, given)
    files = dict(_files(planned, kra_certificate))
    _require_right(files)
    _write(output, files)
    if as_json:
        click.echo(json.dumps(_document(cs_cfg, output, files, planned), indent=2))
    else:
        for line in _lines(output, files, planned):
            click.echo(line)


def _release(settings: TksSettings, said: int | None) -> int:
    found = said or settings.release
    if found is None:
        raise click.UsageError("CS.cfg does not tell Dogtag's version: say --release 10 or 11")
    return found


def _split(options: Sequence[str], form: str) -> Iterator[tuple[str, str]]:
    for option in options:
        name, equals, value = option.rpartition("=")
        if not equals or not name or not value:
            raise click.UsageError(f"{plain(option)} must be {form}")
        yield name, value


def _public_keys(options: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name, file in _split(options, "NAME=FILE"):
        try:
            found = pem.certificates(Path(file))
        except pem.UnfitFile as unfit:
            raise Refused(f"{file} {unfit}") from None
        yield name, spki_sha256(found[0].public_key())


def _algorithms(options: Sequence[str]) -> Iterator[tuple[str, KeyAlgorithm]]:
    for nickname, algorithm in _split(options, "NICKNAME=ALGORITHM"):
        if algorithm not in _AES:
            raise click.UsageError(
                f"--master-key takes {' or '.join(_AES)}, not {plain(algorithm)}"
            )
        yield nickname, KeyAlgorithm(algorithm)


def _files(planned: PlannedPolicy, kra_certificate: Path | None) -> Iterator[tuple[str, bytes]]:
    """Yield what is written, by its name; the policy last, so that it is there only with all."""
    if kra_certificate is not None:
        yield KRA_FILE, kra_certificate.read_bytes()
    for number, at in enumerate(range(0, len(planned.keys), _STEPS), start=1):
        name = _SCRIPT if number == 1 else _SCRIPT.replace(".", f"-{number}.")
        yield name, script_text(planned.keys[at : at + _STEPS]).encode()
    yield _POLICY, policy_text(planned).encode()


def _require_right(files: dict[str, bytes]) -> None:
    """Make sure that the daemon takes the policy, before anything is written."""
    with TemporaryDirectory() as directory:
        for name, content in files.items():
            (Path(directory) / name).write_bytes(content)
        try:
            load_policy(Path(directory) / _POLICY)
        except ConfigError as error:
            told = str(error).replace(f"{directory}/", "")
            raise Refused(f"no policy can be made of it: {told}") from None


def _write(output: Path, files: dict[str, bytes]) -> None:
    output.mkdir(mode=0o755, exist_ok=True)
    for name in files:
        require_no_file(output / name)
    for name, content in files.items():
        write_new(output / name, content)


def _lines(output: Path, files: dict[str, bytes], planned: PlannedPolicy) -> Iterator[str]:
    for name in files:
        yield f"{output / name}: written"
    yield f"Dogtag {planned.release}"
    for word, names in planned.words.items():
        yield f"  keySet {plain(word)} is {', '.join(names)}"
    for kind, heading in _HEADINGS.items():
        told = [remark for remark in planned.remarks if remark.kind is kind]
        if told:
            yield heading
        yield from (f"  {remark}" for remark in told[:_MOST_SHOWN])
        if len(told) > _MOST_SHOWN:
            yield f"  and {len(told) - _MOST_SHOWN} more: see --json"
    yield f"Keys that the token needs, by a ceremony of {_SCRIPT} or `tmsctl key import`"
    yield from (f"  {_described(key)}" for key in planned.keys)


def _described(key: NeededKey) -> str:
    whence = f"published, {key.published.hex()}" if key.published else plain(str(key.source))
    extractable = ", extractable" if key.purpose is Purpose.UNDIVERSIFIED else ""
    kcv = f", KCV {_kcv(key)}" if key.published else ""
    return (
        f"{key.label!r} version {key.version}: {key.algorithm}, {key.purpose}{extractable}; "
        f"{key.shape}{kcv}; {whence}"
    )


def _kcv(key: NeededKey) -> str | None:
    return check_value(key.published, key.algorithm).hex() if key.published else None


def _document(
    cs_cfg: Path, output: Path, files: dict[str, bytes], planned: PlannedPolicy
) -> dict[str, object]:
    return {
        "source": str(cs_cfg),
        "dogtag": planned.release,
        "written": [str(output / name) for name in files],
        "callers": {caller.name: caller.user for caller in planned.callers},
        "key_sets": planned.words,
        "remarks": [
            {"kind": one.kind, "setting": one.setting, "reason": one.reason}
            for one in planned.remarks
        ],
        "keys": [
            {
                "label": key.label,
                "version": key.version,
                "algorithm": key.algorithm,
                "purpose": key.purpose,
                "extractable": key.purpose is Purpose.UNDIVERSIFIED,
                "from": None if key.published else str(key.source),
                "published": key.published.hex() if key.published else None,
                "kcv": _kcv(key),
                "shape": key.shape,
            }
            for key in planned.keys
        ],
    }
