"""A private pcscd comes up where libpcsclite finds it, says what it lacks, and leaves nothing."""

import os
from pathlib import Path

import pytest

from tests.pcsc import pcscd as pcscd_module
from tests.pcsc.pcscd import PcscdError, PrivatePcscd, private_pcscd


def test_a_private_daemon_stops_and_leaves_nothing() -> None:
    with private_pcscd(readers=4) as daemon:
        assert daemon.socket_path.is_socket()
        assert len(daemon.ports) == 4

    assert not daemon.socket_path.parents[1].exists()


def test_the_fixture_tells_libpcsclite_where_the_daemon_is(pcscd: PrivatePcscd) -> None:
    assert os.environ["PCSCLITE_CSOCK_NAME"] == str(pcscd.socket_path)


def test_missing_parts_are_named_with_their_debian_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pcscd_module, "VPCD_CONFIGURATION", tmp_path / "absent")
    with (
        pytest.raises(PcscdError, match="install the Debian package vsmartcard-vpcd"),
        private_pcscd(),
    ):
        pass
    with pytest.raises(PcscdError, match="install the Debian package pcscd"):
        pcscd_module._find_program("pcscd-of-no-system", package="pcscd")


def test_an_odd_number_of_readers_is_refused() -> None:
    with pytest.raises(ValueError, match="even number"), private_pcscd(readers=3):
        pass
