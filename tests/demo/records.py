"""Chapter five: what stays, in the audit log and in the HSM, and what is nowhere."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.demo.cards import Cards
from tests.demo.findings import Findings
from tests.demo.issuer import FACTORY_KEY, IssuedKeySets
from tests.demo.screen import Screen
from tests.demo.site import Daemon, Site


async def stop_daemon(screen: Screen, findings: Findings, daemon: Daemon) -> None:
    """Ask tmsd to stop, as systemd does."""
    screen.step("tmsd is stopped")
    daemon.ask_to_stop()
    exit_code = await daemon.exit_code()
    screen.output(daemon.log.splitlines()[-1:])
    findings.require_equal("exit code of tmsd", 0, exit_code)
    findings.seen("tmsd, asked to stop", "stopped, exit code 0")


def verify_audit_log(screen: Screen, findings: Findings, site: Site) -> None:
    """Verify the log, find every refusal of before in it, and then forge a copy."""
    screen.step("The audit log")
    screen.say(
        "Every answer is on record before it leaves, each record bound to the one before it by"
        " its hash. The log can be verified without tmsd and without any key:"
    )
    verified = site.tmsctl("audit", "verify", str(_below(site)))
    screen.command(verified.command)
    screen.output(verified.output.splitlines())
    findings.require_equal("exit code", 0, verified.exit_code)
    records = [json.loads(line) for line in site.audit_log.read_text().splitlines()]
    findings.seen("Audit log", f"{len(records)} records, no fault")
    _count(screen, records)
    recorded = {record["request_id"]: record["code"] for record in records}
    for problem in findings.problems:
        code = recorded.get(problem.request_id, "no record")
        findings.require_equal(f"record of request {problem.request_id}", problem.code, code)
    findings.seen(
        "Refusals shown above", f"all {len(findings.problems)} on record, by their request ids"
    )


def forge_audit_log(screen: Screen, findings: Findings, site: Site) -> None:
    """Make a refusal look like a success in a copy of the log, and verify that."""
    screen.step("Somebody rewrites history")
    lines = site.audit_log.read_text().splitlines(keepends=True)
    place = next(
        number for number, line in enumerate(lines) if '"code":"card-cryptogram-mismatch"' in line
    )
    lines[place] = lines[place].replace('"outcome":"refused"', '"outcome":"allowed"')
    forged = site.audit_log.with_name("forged.jsonl")
    forged.write_text("".join(lines))
    screen.say(f'In a copy of the log, line {place + 1}, a refused card, is changed to "allowed":')
    verified = site.tmsctl("audit", "verify", str(_below(site).with_name(forged.name)))
    screen.command(verified.command)
    faults = [line for line in verified.output.splitlines() if line.startswith("line ")]
    screen.output(faults)
    findings.require_equal("exit code", 1, verified.exit_code)
    named = [f"line {place + 1}"]
    findings.require_equal("line", named, [fault.partition(":")[0] for fault in faults])
    findings.seen("A forged copy of it", f"found, at line {place + 1}")


def list_keys(screen: Screen, findings: Findings, site: Site, key_sets: IssuedKeySets) -> None:
    """List what is in the HSM."""
    screen.step("The keys in the HSM")
    listed = site.tmsctl("key", "list", "--config", f"{site.directory.name}/tmsd.toml")
    screen.command(listed.command)
    screen.output(listed.output.splitlines())
    listed.require_success()
    check_values = _check_values(listed.output)
    for name, master in key_sets.masters:
        check_value = check_values.get((name, str(master.version)), "not in the list")
        wanted = master.key_check_value.hex()
        findings.require_equal(f"KCV of {name}:{master.version}", wanted, check_value)
    findings.seen("KCVs in the HSM, and the issuer's", f"{len(key_sets.masters)} are the same")


def look_for_secrets(
    screen: Screen,
    findings: Findings,
    site: Site,
    key_sets: IssuedKeySets,
    cards: Cards,
) -> None:
    """Look for PINs and keys where nobody should find them."""
    screen.step("What is nowhere")
    screen.say(
        "The PINs, the master keys, their components, and the keys that are now on the cards are"
        " searched for in all that was printed here, in the log of tmsd and in the audit log; not"
        " so the factory key, which is no secret."
    )
    secrets = [file.read_text() for file in site.pin_files]
    for _, master in key_sets.masters:
        secrets += [key.hex() for key in (master.value, *master.components) if key != FACTORY_KEY]
    for card in cards.good:
        groups = card.issued.keyring.groups
        secrets += [key.value.hex() for group in groups for key in group.keys.values()]
    printed = (screen.transcript, site.log.read_text(errors="replace"), site.audit_log.read_text())
    searched = "\n".join(printed).lower()
    found = sum(secret.lower() in searched for secret in secrets)
    findings.require_equal("secrets found", 0, found)
    findings.seen("PINs and keys in any output or log", f"0 of {len(secrets)}")


def _check_values(listed: str) -> dict[tuple[str, str], str]:
    """Return the KCV of each label and version in the first table of `tmsctl key list`."""
    headings, *lines = listed.partition("\n\n")[0].splitlines()
    column = headings.index("KCV")
    return {(line.split()[0], line.split()[1]): line[column:].split()[0] for line in lines}


def _below(site: Site) -> Path:
    return site.audit_log.relative_to(site.directory.parent)


def _count(screen: Screen, records: list[dict[str, Any]]) -> None:
    counts = Counter(
        (str(record["operation"]), str(record["outcome"]), str(record["code"] or ""))
        for record in records
    )
    screen.table(
        ("OPERATION", "OUTCOME", "CODE", "RECORDS"),
        [
            (operation, outcome, code, str(count))
            for (operation, outcome, code), count in sorted(counts.items())
        ],
    )
