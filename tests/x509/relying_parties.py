"""Programs that no one here wrote, and what each makes of certificates.

openssl verifies chains, certtool reads certificates, and pkilint checks them by RFC 5280 and
what came after it.
"""

import io
import re
import subprocess
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pkilint.bin import lint_pkix_cert, lint_pkix_signer_signee_cert_chain

from tests.x509.issuing import NOW


def pem(certificates: Sequence[x509.Certificate], file: Path) -> str:
    """Write certificates to a file, and return its path."""
    file.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in certificates))
    return str(file)


def openssl_verify(chain: Sequence[x509.Certificate], folder: Path, *options: str) -> str:
    """Return what `openssl verify` says, which is empty if a chain is right.

    Args:
        chain: the certificate, those above it, and the root at last.
        folder: for files.
        options: more of them, as `-purpose sslserver`.
    """
    leaf, *above = chain
    command = [
        *("openssl", "verify", "-x509_strict", "-attime", str(int(NOW.timestamp()))),
        *("-trusted", pem(above[-1:], folder / "root.pem")),
        *("-untrusted", pem(above, folder / "above.pem")),
        *(*options, pem([leaf], folder / "leaf.pem")),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def openssl_judges(
    certificate: x509.Certificate,
    crls: Sequence[x509.CertificateRevocationList],
    issuer: x509.Certificate,
    folder: Path,
) -> str:
    """Return what `openssl verify` finds at the present, as one line; "OK" if nothing.

    Args:
        certificate: which is looked at.
        crls: which it is given, deltas as well.
        issuer: of the certificate and of the CRLs; a root.
        folder: for files.
    """
    files = [folder / f"{number}.crl" for number in range(len(crls))]
    for file, crl in zip(files, crls, strict=True):
        file.write_bytes(crl.public_bytes(Encoding.PEM))
    command = [
        *("openssl", "verify", "-x509_strict", "-crl_check", "-use_deltas", "-extended_crl"),
        *("-CAfile", pem([issuer], folder / "issuer.pem")),
        *(argument for file in files for argument in ("-CRLfile", str(file))),
        pem([certificate], folder / "certificate.pem"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return ", ".join(re.findall(r"depth lookup: (.*)", done.stderr)) or done.stdout.split()[-1]


def certtool_reads(certificate: x509.Certificate, folder: Path) -> str:
    """Return what certtool reads in a certificate."""
    command = ["certtool", "--certificate-info", "--infile", pem([certificate], folder / "c.pem")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def pkilint_finds(
    certificate: x509.Certificate, folder: Path, issuer: x509.Certificate | None = None
) -> str:
    """Return what pkilint has against a certificate, and against it below its issuer's.

    It cannot verify PSS, and misses in roots the key identifier that these may leave out.
    """
    own = pem([certificate], folder / "own.pem")
    with redirect_stdout(io.StringIO()) as found:
        lint_pkix_cert.main(["lint", "-s", "WARNING", own])
        if issuer is not None:
            above = pem([issuer], folder / "above.pem")
            lint_pkix_signer_signee_cert_chain.main(["lint", "-s", "WARNING", above, own])
    return found.getvalue().strip()
