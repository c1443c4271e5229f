"""`tmsctl ceremony rehearse`: every step of these goes through on a token that is thrown away."""

from pathlib import Path

from tests.ceremony.rooms import script
from tests.ceremony.test_attesting import AUDIT_KEY
from tests.ceremony.test_changing_the_quorum import CHANGE
from tests.ceremony.test_destroy_key_step import DESTROY
from tests.ceremony.test_key_pair_steps import PAIR, REQUEST, ROOT
from tests.ceremony.test_transport_key_in_components import COMPONENTS
from tests.ceremony.test_wrapped_transport_key import WRAPPED
from tests.cli.sites import tmsctl
from tmsd.ceremony.reviewing import review


def test_a_script_that_goes_on_from_earlier_ceremonies_is_rehearsed(tmp_path: Path) -> None:
    steps = (
        ROOT.format(file="root.pem"),
        PAIR.format(label="issuer", algorithm="p256"),
        REQUEST.format(label="issuer"),
        AUDIT_KEY,
        COMPONENTS,
        WRAPPED.format(label="wrapped").replace('"sha1"', '"sha256"'),
        CHANGE,
        DESTROY.format(kcv="0a1b2c"),
    )
    planned, minutes = script(tmp_path, *steps), tmp_path / "minutes.jsonl"

    ran = tmsctl("ceremony", "rehearse", planned, "--minutes", minutes)

    assert ran.returncode == 0, ran.stderr
    assert "The rehearsal is over; its token is gone." in ran.stdout
    found = review(minutes)
    assert found.faults == ()
    assert found.steps == len(steps)
    assert found.attested_by
    assert "It was a rehearsal" in tmsctl("ceremony", "verify", minutes).stdout
