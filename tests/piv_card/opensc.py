"""Where Debian puts the PKCS#11 module of OpenSC."""

import sysconfig
from pathlib import Path


def opensc_module() -> Path:
    """Return the module's file.

    Raises:
        FileNotFoundError: the Debian package opensc-pkcs11 is not installed.
    """
    file = Path("/usr/lib", sysconfig.get_config_var("MULTIARCH") or "", "opensc-pkcs11.so")
    if not file.is_file():
        raise FileNotFoundError(f"{file}: install the Debian package opensc-pkcs11")
    return file
