"""TLS 1.3 with a client certificate, for the API's listener."""

import ssl

from tmsd.config.api import ApiConfig


def server_context(config: ApiConfig) -> ssl.SSLContext:
    """Return the listener's TLS settings.

    Raises:
        OSError: a file cannot be read or is no certificate or key (ssl.SSLError).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(config.certificate, config.private_key)
    context.load_verify_locations(config.caller_trust)
    return context
