"""The version, and whether the installed files are those of this distribution and of no other.

Other projects of the package index import as `particles` and `meanfield` too. An installer merges two packages of one
name in one folder without a word, and removing one then takes files of the other.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

__version__ = "0.2.0"

DISTRIBUTION = "attention-meanfield"
PACKAGES = ("particles", "meanfield")
ADVICE = (
    f"Another project of the same import name is installed here: make a fresh environment and install only "
    f"{DISTRIBUTION} there."
)


def check_installation(folder: Path) -> None:
    """Compare the packages in a folder with the list of files that the installer wrote beside them.

    A checkout has no such list, and is not compared.

    Parameters
    ----------
    folder : Path
        Where the two packages lie.

    Raises
    ------
    ImportError
        Where a file or folder of another project lies in one of the packages, or in the place of its `__init__.py`.
    """
    record = next(folder.glob(f"{DISTRIBUTION.replace('-', '_')}-*.dist-info/RECORD"), None)
    if record is None:
        return
    listed = dict(line.split(",")[:2] for line in record.read_text(encoding="utf-8").splitlines() if line)
    entries = {"/".join(name.split("/")[:2]) for name in listed}
    for package in PACKAGES:
        first = f"{package}/__init__.py"
        if first not in listed:
            # An editable installation: its list names a pointer to the checkout.
            return
        if not (folder / first).is_file() or _hash(folder / first) != listed[first]:
            raise ImportError(f"{folder / first} is not the file that {DISTRIBUTION} installed. {ADVICE}")
        found = {f"{package}/{path.name}" for path in (folder / package).iterdir() if path.name != "__pycache__"}
        if strange := sorted(found - entries):
            raise ImportError(f"{folder / strange[0]} is no file of {DISTRIBUTION}. {ADVICE}")


def _hash(path: Path) -> str:
    """The digest of a file as an installer writes it."""
    digest = hashlib.sha256(path.read_bytes()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


check_installation(Path(__file__).resolve().parent.parent)
