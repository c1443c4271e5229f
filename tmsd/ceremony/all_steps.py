"""Every kind of step that a script can have, by the name that it has there."""

from collections.abc import Mapping
from typing import get_args

from tmsd.ceremony.step import Step
from tmsd.ceremony.steps.back_up import BackUp
from tmsd.ceremony.steps.change_quorum import ChangeQuorum
from tmsd.ceremony.steps.destroy_key import DestroyKey
from tmsd.ceremony.steps.destroy_key_pair import DestroyKeyPair
from tmsd.ceremony.steps.enrol_quorum import EnrolQuorum
from tmsd.ceremony.steps.generate_audit_key import GenerateAuditKey
from tmsd.ceremony.steps.generate_key import GenerateKey
from tmsd.ceremony.steps.generate_key_pair import GenerateKeyPair
from tmsd.ceremony.steps.generate_service_keys import GenerateServiceKeys
from tmsd.ceremony.steps.generate_transport_key import GenerateTransportKey
from tmsd.ceremony.steps.generate_wrapped_transport_key import GenerateWrappedTransportKey
from tmsd.ceremony.steps.generate_zone_key_pair import GenerateZoneKeyPair
from tmsd.ceremony.steps.import_certificate import ImportCertificate
from tmsd.ceremony.steps.import_key import ImportKey
from tmsd.ceremony.steps.import_key_block import ImportKeyBlock
from tmsd.ceremony.steps.import_wrapped_key import ImportWrappedKey
from tmsd.ceremony.steps.initialise_token import InitialiseToken
from tmsd.ceremony.steps.make_backup_key import MakeBackupKey
from tmsd.ceremony.steps.make_root import MakeRoot
from tmsd.ceremony.steps.request_certificate import RequestCertificate
from tmsd.ceremony.steps.restore import Restore
from tmsd.ceremony.steps.sign_inventory import SignInventory
from tmsd.ceremony.steps.verify_backup import VerifyBackup

_KINDS: tuple[type[Step], ...] = (
    InitialiseToken,
    EnrolQuorum,
    ChangeQuorum,
    GenerateKey,
    ImportKey,
    GenerateZoneKeyPair,
    ImportWrappedKey,
    ImportKeyBlock,
    GenerateServiceKeys,
    GenerateAuditKey,
    GenerateKeyPair,
    MakeRoot,
    RequestCertificate,
    ImportCertificate,
    DestroyKey,
    DestroyKeyPair,
    GenerateTransportKey,
    GenerateWrappedTransportKey,
    MakeBackupKey,
    BackUp,
    VerifyBackup,
    Restore,
    SignInventory,
)

STEPS: Mapping[str, type[Step]] = {
    get_args(kind.model_fields["do"].annotation)[0]: kind for kind in _KINDS
}
