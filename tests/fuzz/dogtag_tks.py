"""CS.cfg files of strangers: refused, or a policy that is taken."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.dogtag_import.sites import SITES
from tmsd.config.policy import load_policy
from tmsd.config.toml import ConfigError
from tmsd.dogtag_import.cs_cfg import read
from tmsd.dogtag_import.planned_policy import Given, planned_policy
from tmsd.dogtag_import.policy_text import policy_text
from tmsd.dogtag_import.schemes import Choices
from tmsd.dogtag_import.tks_settings import tks_settings


def cs_cfgs() -> Iterator[bytes]:
    """Yield the files of the sites of the tests."""
    for file in sorted(SITES.glob("*.cfg")):
        yield file.read_bytes()


def cs_cfg(data: bytes) -> None:
    """A CS.cfg is refused, or what comes of it is a policy."""
    with TemporaryDirectory() as directory:
        file, policy = Path(directory) / "CS.cfg", Path(directory) / "policy.toml"
        file.write_bytes(data)
        try:
            planned = planned_policy(tks_settings(read(file)), Given(Choices(11)))
        except ConfigError:
            return
        policy.write_text(policy_text(planned))
        assert len(load_policy(policy).key_sets) == len(planned.key_sets)
