"""A key that a card maker wrapped is unwrapped in the token, once it is what was expected."""

import secrets
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pkcs11 import Attribute

from hsm.errors import KeyExists, KeyNotFound, MechanismUnavailable
from hsm.importing import destroy_key
from hsm.key_pairs import list_key_pairs
from hsm.keys import KeyReference
from hsm.module import TokenAddress
from tests.ceremony.backups import BACK_UP, KEYS, MAKE, conduct
from tests.ceremony.card_makers import WRAPS, ZONE_MASTER, give_zone_key, oaep, send, step
from tests.ceremony.keys import FACTORY_16, check_value
from tests.ceremony.rooms import ENROL, Present, room, script
from tests.ceremony.test_key_pair_steps import ZONE_PAIR
from tests.softhsm.tokens import SoftHsm
from tmsd.ceremony.backup_file import read_backup
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.room import Room
from tmsd.ceremony.script import load_script
from tmsd.ceremony.step import Step
from tmsd.ceremony.steps import import_wrapped_key as steps
from tmsd.ceremony.steps.list_key_pairs import list_key_pairs as list_described
from tmsd.ceremony.wanted_key import Purpose
from tmsd.ceremony.wrapped_key_refusal import WrappedKeyRefused, WrappedKeyRule
from tmsd.config.key_sets import KeyAlgorithm
from tmsd.config.toml import ConfigError

PILOT = KeyReference("pilot", 1)
DO = "import-wrapped-key"
AES_KW = {"form": '"aes-kw"'}
READ = "the key was in the clear in memory, as the token does not keep one that it unwraps"


@pytest.fixture(scope="module")
def kept(softhsm: SoftHsm, tmp_path_factory: pytest.TempPathFactory) -> TokenAddress:
    """A token with a zone master key."""
    token = softhsm.make_token()
    where = room(tmp_path_factory.mktemp("zone"), token, Present())
    give_zone_key(where, ZONE_MASTER, Purpose.ZONE_MASTER, KeyAlgorithm.AES256)
    return token


@pytest.fixture
def where(kept: TokenAddress, tmp_path: Path) -> Room:
    """A room around it in which the key that is imported is not there yet."""
    here = room(tmp_path, kept, Present())
    with here.token() as token:
        for _ in token.find_keys(PILOT):
            destroy_key(token, PILOT)
    return here


def rule_of(planned: Step, where: Room) -> WrappedKeyRule:
    """Return by which rule a step is refused, after which there is no key."""
    with pytest.raises(WrappedKeyRefused) as refused:
        planned.perform(where)
    with where.token() as token:
        assert token.find_keys(PILOT) == []
    return refused.value.rule


@pytest.mark.parametrize("form", WRAPS)
@pytest.mark.parametrize(
    ("algorithm", "length"),
    [
        (KeyAlgorithm.AES128, 16),
        (KeyAlgorithm.AES256, 32),
        (KeyAlgorithm.DES3, 16),
        (KeyAlgorithm.DES3, 24),
    ],
)
def test_a_key_comes_under_a_zone_master_key(
    where: Room, form: str, algorithm: KeyAlgorithm, length: int
) -> None:
    value = secrets.token_bytes(length)
    digest = send(where, WRAPS[form](ZONE_MASTER, value))

    facts = step(where, DO, value, form=f'"{form}"', algorithm=f'"{algorithm}"').perform(where)

    assert facts["kcv"] == check_value(value, algorithm).hex()
    assert facts["file_sha256"] == digest
    assert facts["zone_key"] == "zone:1"
    # SoftHSM forgets the length of an AES key that it unwraps, and not that of another.
    assert facts.get("exception") == (None if algorithm is KeyAlgorithm.DES3 else READ)
    with where.token() as token:
        key = token.find_key(PILOT)
        assert key.shape.length == length
        told = key.handle.get_attributes(
            [Attribute.SENSITIVE, Attribute.EXTRACTABLE, Attribute.MODIFIABLE, Attribute.DERIVE]
        )
        assert list(told.values()) == [True, False, False, True]


def test_one_that_can_be_backed_up_stays_in_the_token_from_the_beginning(where: Room) -> None:
    value = secrets.token_bytes(32)
    send(where, WRAPS["aes-kw"](ZONE_MASTER, value))
    planned = step(where, DO, value, **AES_KW, algorithm='"aes256"', backup='"quorum"')

    facts = planned.perform(where)

    assert "exception" not in facts
    assert planned.found(where) == facts
    with where.token() as token:
        assert token.find_key(PILOT).handle[Attribute.EXTRACTABLE]
    with pytest.raises(KeyExists):
        planned.perform(where)


def test_a_key_for_hmac_is_filled_up_in_memory(where: Room) -> None:
    value = secrets.token_bytes(16)
    send(where, WRAPS["aes-kw"](ZONE_MASTER, value))

    facts = step(where, DO, value, **AES_KW, purpose='"hmac-master"').perform(where)

    assert facts["kcv"] == check_value(value, KeyAlgorithm.AES128).hex()
    assert (
        facts["exception"] == "the key was in the clear in memory while it was filled up for HMAC"
    )
    with where.token() as token:
        assert token.find_key(PILOT).may("sign")


class TestARefusal:
    """Nothing is left in the token, and the rule has a name."""

    VALUE = bytes(range(16))

    def test_of_a_file_that_is_missing_too_long_or_another_one(self, where: Room) -> None:
        assert rule_of(step(where, DO, self.VALUE, **AES_KW), where) is WrappedKeyRule.MISSING
        send(where, bytes(4097))
        assert rule_of(step(where, DO, self.VALUE, **AES_KW), where) is WrappedKeyRule.TOO_LONG
        send(where, WRAPS["aes-kw"](ZONE_MASTER, self.VALUE))
        other = step(where, DO, self.VALUE, **AES_KW, file_sha256=f'"{"0" * 64}"')
        assert rule_of(other, where) is WrappedKeyRule.OTHER_FILE

    @pytest.mark.parametrize("form", WRAPS)
    def test_of_what_was_changed_or_came_under_another_key(self, where: Room, form: str) -> None:
        wrapped = WRAPS[form](ZONE_MASTER, self.VALUE)
        for content in (
            wrapped[:-1] + bytes([wrapped[-1] ^ 1]),
            wrapped[:-1],
            wrapped + bytes(8),
            b"",
            WRAPS[form](bytes(32), self.VALUE),
        ):
            send(where, content)
            planned = step(where, DO, self.VALUE, form=f'"{form}"')
            assert rule_of(planned, where) is WrappedKeyRule.FORGED

    @pytest.mark.parametrize("backup", ["none", "quorum"])
    def test_of_another_key_than_the_expected(self, where: Room, backup: str) -> None:
        send(where, WRAPS["aes-kw"](ZONE_MASTER, bytes(range(1, 17))))

        planned = step(where, DO, self.VALUE, **AES_KW, backup=f'"{backup}"')

        assert rule_of(planned, where) is WrappedKeyRule.DIFFERS

    def test_of_a_key_of_another_length(self, where: Room) -> None:
        send(where, WRAPS["aes-kw"](ZONE_MASTER, bytes(24)))

        assert rule_of(step(where, DO, self.VALUE, **AES_KW), where) is WrappedKeyRule.LENGTH

    @pytest.mark.parametrize("backup", ["none", "quorum"])
    @pytest.mark.parametrize("value", [bytes(16), FACTORY_16], ids=["zeros", "factory"])
    def test_of_a_key_that_everybody_knows(self, where: Room, value: bytes, backup: str) -> None:
        send(where, WRAPS["aes-kw"](ZONE_MASTER, value))

        planned = step(where, DO, value, **AES_KW, backup=f'"{backup}"')

        assert rule_of(planned, where) is WrappedKeyRule.WEAK

    def test_of_a_key_that_does_not_unwrap_or_is_not_there(self, where: Room) -> None:
        send(where, WRAPS["aes-kw"](ZONE_MASTER, self.VALUE))
        step(where, DO, self.VALUE, **AES_KW).perform(where)
        under_it = step(where, DO, self.VALUE, **AES_KW, zone_key='"pilot"', label='"other"')

        with pytest.raises(WrappedKeyRefused, match="zone-key-unfit"):
            under_it.perform(where)

        with pytest.raises(KeyNotFound):
            step(where, DO, self.VALUE, **AES_KW, zone_key='"n"', label='"other"').perform(where)

    def test_of_a_key_that_is_stronger_than_the_one_it_came_under(
        self, fresh_token: TokenAddress, tmp_path: Path
    ) -> None:
        where = room(tmp_path, fresh_token, Present())
        give_zone_key(where, bytes(range(16)), Purpose.ZONE_MASTER, KeyAlgorithm.AES128)
        value = bytes(range(32))
        send(where, WRAPS["aes-kw"](bytes(range(16)), value))

        planned = step(where, DO, value, **AES_KW, algorithm='"aes256"')

        assert rule_of(planned, where) is WrappedKeyRule.ZONE_KEY_WEAK


@pytest.mark.parametrize("backup", ["none", "quorum"])
def test_what_an_interruption_cut_off_is_found_or_done_anew(
    where: Room, monkeypatch: pytest.MonkeyPatch, backup: str
) -> None:
    value = secrets.token_bytes(16)
    send(where, WRAPS["aes-kw"](ZONE_MASTER, value))
    planned = step(where, DO, value, **AES_KW, backup=f'"{backup}"')

    def cut_off(*_: object) -> None:
        raise OSError("the power fails")

    with monkeypatch.context() as patch:
        patch.setattr(steps, "keep_unwrapped", cut_off)
        patch.setattr("tmsd.ceremony.wrapped_key_step.import_value", cut_off)
        with pytest.raises(OSError, match="power"):
            planned.perform(where)
    assert planned.found(where) is None

    facts = planned.perform(where)

    assert planned.found(where) == facts
    with pytest.raises(WrappedKeyRefused, match="wrapped-key-differs"):
        step(where, DO, bytes(16), **AES_KW, backup=f'"{backup}"').found(where)


class TestForAKeyPair:
    def test_a_key_comes_for_its_public_half(self, where: Room) -> None:
        pair = load_script(script(where.folder, ZONE_PAIR)).steps[0]
        made = pair.perform(where)
        recipient = load_pem_public_key((where.folder / "makers.pem").read_bytes())
        assert isinstance(recipient, RSAPublicKey)
        value = secrets.token_bytes(32)
        digest = send(where, oaep(recipient, value))
        rsa = {
            "form": '"rsa-oaep-sha1"',
            "zone_key": '"makers"',
            "algorithm": '"aes256"',
            "file_sha256": f'"{digest}"',
            "purpose": '"zone-master"',
        }

        facts = step(where, DO, value, **rsa).perform(where)

        assert made["to_be_read_aloud"]
        assert pair.found(where) == made
        assert facts["kcv"] == check_value(value, KeyAlgorithm.AES256).hex()
        assert facts["zone_key"] == "makers:1"
        with where.token() as token:
            unwraps = token.find_key(PILOT)
            assert unwraps.may("unwrap_key")
            assert not any(unwraps.may(does) for does in ("encrypt", "wrap_key", "derive_key"))
        send(where, WRAPS["aes-kw"](value, bytes(range(16))))
        under_it = step(
            where, DO, bytes(range(16)), **AES_KW, zone_key='"pilot"', label='"chained"'
        )
        assert under_it.perform(where)["zone_key"] == "pilot:1"

    def test_it_is_found_and_its_public_half_written_after_an_interruption(
        self, fresh_token: TokenAddress, tmp_path: Path
    ) -> None:
        where = room(tmp_path, fresh_token, Present())
        pair = load_script(script(where.folder, ZONE_PAIR)).steps[0]
        assert pair.found(where) is None
        made = pair.perform(where)
        content = (tmp_path / "makers.pem").read_bytes()
        (tmp_path / "makers.pem").unlink()

        assert pair.found(where) == made
        assert (tmp_path / "makers.pem").read_bytes() == content

    def test_it_is_destroyed_by_its_public_key(
        self, fresh_token: TokenAddress, tmp_path: Path
    ) -> None:
        where = room(tmp_path, fresh_token, Present())
        made = load_script(script(where.folder, ZONE_PAIR)).steps[0].perform(where)
        destroy = '\n[[steps]]\ndo = "destroy-key-pair"\nlabel = "makers"\nversion = 1\n'
        expected = f'public_key_sha256 = "{made["public_key_sha256"]}"\n'

        with where.token() as token:
            (described,) = list_described(token)
        assert described.fault == "it unwraps keys of card makers, and signs nothing"
        with pytest.raises(Refused, match="the script expects no public key"):
            load_script(script(where.folder, destroy)).steps[0].perform(where)

        planned = load_script(script(where.folder, destroy + expected)).steps[0]
        assert planned.perform(where)["destroyed"] == "makers:1"
        with where.token() as token:
            assert list_key_pairs(token) == []

    def test_softhsm_has_oaep_with_sha1_alone(
        self, fresh_token: TokenAddress, tmp_path: Path
    ) -> None:
        where = room(tmp_path, fresh_token, Present())
        load_script(script(where.folder, ZONE_PAIR)).steps[0].perform(where)
        digest = send(where, bytes(256))
        rsa = {
            "form": '"rsa-oaep-sha256"',
            "zone_key": '"makers"',
            "file_sha256": f'"{digest}"',
        }

        with pytest.raises(MechanismUnavailable, match="CKM_RSA_PKCS_OAEP"):
            step(where, DO, bytes(16), **rsa).perform(where)
        rsa["form"] = '"rsa-oaep-sha1"'
        assert rule_of(step(where, DO, bytes(16), **rsa), where) is WrappedKeyRule.FORGED


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"form": '"rsa-oaep-sha1"'}, "file_sha256: step 1: must be there"),
        ({"form": '"rsa-pkcs1"'}, "form: step 1: .* is not one of aes-kw"),
        ({"file_sha256": '"ab"'}, "file_sha256: step 1: must be a SHA-256"),
        ({"kcv": '"0A"'}, "kcv: step 1: must be 6"),
        ({"purpose": '"zone-master"', "algorithm": '"des3"'}, "algorithm: step 1: must be AES"),
        ({"purpose": '"zone-master"', "backup": '"quorum"'}, "backup: step 1: must be none"),
        ({"file": '"../key"'}, "file: step 1: "),
    ],
)
def test_a_script_that_cannot_be_meant_is_refused(
    where: Room, keys: dict[str, str], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        step(where, DO, bytes(16), **{**AES_KW, **keys})


def test_a_zone_master_key_is_not_generated(tmp_path: Path) -> None:
    generate = """
[[steps]]
do = "generate-key"
label = "zone"
version = 1
algorithm = "aes256"
purpose = "zone-master"
"""
    with pytest.raises(ConfigError, match="purpose: step 1: must be another"):
        load_script(script(tmp_path, generate))


def test_the_key_pair_is_in_no_backup_and_hinders_none(
    fresh_token: TokenAddress, tmp_path: Path
) -> None:
    where = room(tmp_path, fresh_token, Present())

    conduct(where, ENROL, ZONE_PAIR, KEYS[0], MAKE, BACK_UP)

    backup, _ = read_backup(tmp_path / "pilot.backup", "pilot")
    assert [key.label for key in backup.keys] == ["master"]
    assert backup.key_pairs == ()
