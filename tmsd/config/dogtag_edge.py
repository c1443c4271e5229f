"""[dogtag] of tmsd.toml: where TPSs of Dogtag are listened to."""

from collections.abc import Iterator
from typing import Annotated

from tmsd.config.api import ApiConfig
from tmsd.config.listen import Listen
from tmsd.config.table import TOML, Table
from tmsd.config.toml import Complaint
from tmsd.config.values import DISTINCT, Place


class DogtagEdgeConfig(Table):
    """The listener for callers with protocol = "dogtag". The files are PEM.

    Attributes:
        listen: an IP address and a port.
        certificate: the daemon's certificate and its chain; that of [api] unless it is named.
        private_key: the certificate's.
        caller_trust: the CA certificates of the TPSs; those of [api] unless they are named.
        caller_crls: a CRL of each of these CAs, as in [api].
    """

    listen: Listen = "127.0.0.1:8444"
    certificate: Place | None = None
    private_key: Place | None = None
    caller_trust: Place | None = None
    caller_crls: Annotated[tuple[Place, ...], TOML, DISTINCT] = ()

    def filled_in(self, api: ApiConfig) -> ApiConfig:
        """Return these settings of a listener, with those of [api] where nothing is said."""
        if self.certificate is None or self.private_key is None:
            certificate, private_key = api.certificate, api.private_key
        else:
            certificate, private_key = self.certificate, self.private_key
        if self.caller_trust is None:
            caller_trust, caller_crls = api.caller_trust, api.caller_crls
        else:
            caller_trust, caller_crls = self.caller_trust, self.caller_crls
        return ApiConfig(
            listen=self.listen,
            certificate=certificate,
            private_key=private_key,
            caller_trust=caller_trust,
            caller_crls=caller_crls,
        )

    def complaints(self) -> Iterator[Complaint]:
        """Yield what lacks its other half."""
        if (self.certificate is None) != (self.private_key is None):
            missing = "certificate" if self.certificate is None else "private_key"
            yield Complaint((missing,), "must stand beside its other half: each needs the other")
        if self.caller_crls and self.caller_trust is None:
            yield Complaint(("caller_crls",), "needs caller_trust, the CAs that they are of")
