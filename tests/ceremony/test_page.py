"""The page of minutes says what happened, in a form that no fact of it can break."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from hsm.module import TokenAddress
from tests.ceremony.conducting import begin, minutes_of
from tests.ceremony.rooms import ENROL, GENERATE, Present, room, script
from tmsd.audit.record import Record
from tmsd.ceremony.minutes import Event
from tmsd.ceremony.page import rendered
from tmsd.ceremony.reviewing import Review, review
from tmsd.ceremony.script import load_script
from tmsd.quorum.words import words

CHROMIUM = shutil.which("chromium")


@pytest.fixture
def conducted(fresh_token: TokenAddress, tmp_path: Path) -> Review:
    """The minutes of a ceremony that came to its end."""
    planned = load_script(script(tmp_path, ENROL, GENERATE.format(label="one")))
    where = room(tmp_path, fresh_token, Present())
    begin(planned, where)
    return review(minutes_of(where))


def test_it_has_every_fact_of_the_minutes(conducted: Review) -> None:
    page = rendered(conducted, Path("minutes.jsonl"))

    for record in conducted.records:
        if record.decision.operation in set(Event):
            assert record.hash in page
            for value in record.decision.details.values():
                assert str(value).split("'")[0] in page or isinstance(value, bool)
    assert "These minutes are whole" in page


def test_what_is_wrong_stands_at_its_top(conducted: Review, tmp_path: Path) -> None:
    file = tmp_path / "cut.jsonl"
    file.write_bytes(b"".join(record.encode() for record in conducted.records[:-3]))
    found = review(file)

    page = rendered(found, file)

    assert "These minutes are not in order" in page
    assert str(found.faults[0].rule) in page
    assert page.index(found.faults[0].rule) < page.index("What happened")


def test_a_fact_is_never_more_than_text(conducted: Review) -> None:
    def hostile(record: Record) -> Record:
        details = {**record.decision.details, "title": "<script>alert(1)</script>"}
        return replace(record, decision=replace(record.decision, details=details))

    tricky = replace(conducted, records=tuple(map(hostile, conducted.records)))

    assert "<script" not in rendered(tricky, Path("<b>.jsonl"))


def test_a_page_can_be_made_of_what_is_no_ceremony() -> None:
    assert "not in order" not in rendered(Review((), (), 0, ()), Path("empty.jsonl"))


def test_its_table_has_each_step_with_its_approvals_and_check_values(conducted: Review) -> None:
    page = rendered(conducted, Path("minutes.jsonl"))
    table = page[page.index("The steps") : page.index("What happened")]
    [_, generated] = [
        record.decision.details
        for record in conducted.records
        if record.decision.operation == Event.DONE
    ]

    assert "Generate key &#39;one&#39; version 1, aes256" in table
    assert f"kcv: {generated['kcv']}" in table
    assert "anna, berta, carl" in table


def test_hashes_have_words_and_everybody_has_a_line_to_sign_on(conducted: Review) -> None:
    page = rendered(conducted, Path("minutes.jsonl"))
    digest = str(conducted.records[1].decision.details["script_sha256"])

    assert f"read aloud: {words(bytes.fromhex(digest)[:8])}" in page
    for signs in ("olaf, operator", "Anna Example (anna), security officer"):
        assert f"<div>{signs}</div>" in page


@pytest.mark.skipif(CHROMIUM is None, reason="the Debian package chromium is not installed")
def test_a_browser_shows_it_from_its_title_to_its_last_line(
    conducted: Review, tmp_path: Path
) -> None:
    file = tmp_path / "minutes.html"
    file.write_text(rendered(conducted, Path("minutes.jsonl")))

    shown = subprocess.run(
        [
            *(CHROMIUM or "", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
            *("--no-first-run", "--disable-background-networking", "--disable-sync"),
            *("--disable-component-update", f"--user-data-dir={tmp_path / 'profile'}"),
            *("--dump-dom", file.as_uri()),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert "<title>Minutes: A ceremony</title>" in shown
    assert "The ceremony is opened" in shown
    assert shown.index("The minutes are signed") < shown.index("security officer</div>")
