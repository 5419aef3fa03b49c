"""The software bill of materials: what is in the one file, in SPDX 2.3 (its JSON form)."""

from __future__ import annotations

import hashlib
import json
import re
import time
from pathlib import Path
from typing import Any

from .debian import ROOT, output

#: From Debian's packages: our name for it, the package that it is linked from, its licence.
FROM_DEBIAN = (
    ("CPython", "libpython3.11-dev", "Python-2.0.1"),
    ("GNU C Library", "libc6-dev", "LGPL-2.1-or-later"),
    ("GCC run-time library", "libgcc-12-dev", "GPL-3.0-or-later WITH GCC-exception-3.1"),
)
LICENSES = {"click": "BSD-3-Clause", "psutil": "BSD-3-Clause"}


def write(files: list[Path], version: str, instant: int, path: Path) -> None:
    """Write it.

    Args:
        files: the one file, for each processor.
        version: pdwrap's.
        instant: when it was made, in seconds since 1970.
        path: where to.

    """
    parts = [_part("pdwrap", version, "MIT", f"pkg:generic/pdwrap@{version}")]
    for name, package, license_name in FROM_DEBIAN:
        found = output("dpkg-query", "-W", "-f", "${Version}", package)
        parts.append(_part(name, found, license_name, f"pkg:deb/debian/{package}@{found}?distro=bookworm"))
    pinned = (ROOT / "scripts" / "standalone" / "requirements.txt").read_text(encoding="utf-8")
    for name, found in re.findall(r"^(\S+)==(\S+)", pinned, re.MULTILINE):
        parts.append(_part(name, found, LICENSES[name], f"pkg:pypi/{name}@{found}"))
    described = [_file(each) for each in files]
    digest = hashlib.sha256("".join(each["checksums"][0]["checksumValue"] for each in described).encode()).hexdigest()
    bill = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"pdwrap-{version}",
        "documentNamespace": f"urn:pdwrap:{version}:{digest}",
        "creationInfo": {
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(instant)),
            "creators": ["Tool: pdwrap-scripts-release"],
        },
        "packages": parts,
        "files": described,
        "relationships": [
            *(_relation("SPDXRef-DOCUMENT", "DESCRIBES", each["SPDXID"]) for each in described),
            *(_relation(each["SPDXID"], "STATIC_LINK", part["SPDXID"]) for each in described for part in parts[1:]),
            *(_relation(each["SPDXID"], "GENERATED_FROM", parts[0]["SPDXID"]) for each in described),
        ],
    }
    path.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")


def _identity(kind: str, name: str) -> str:
    return f"SPDXRef-{kind}-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)


def _part(name: str, version: str, license_name: str, locator: str) -> dict[str, Any]:
    return {
        "SPDXID": _identity("Package", name),
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": license_name,
        "licenseDeclared": license_name,
        "copyrightText": "NOASSERTION",
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": locator}
        ],
    }


def _file(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    kinds = {"SHA1": hashlib.sha1(content, usedforsecurity=False), "SHA256": hashlib.sha256(content)}
    # SPDX 2.3 wants SHA1 of each file; the other is the one to look at, so it comes first.
    sums = [{"algorithm": kind, "checksumValue": kinds[kind].hexdigest()} for kind in ("SHA256", "SHA1")]
    return {
        "SPDXID": _identity("File", path.name),
        "fileName": f"./{path.name}",
        "fileTypes": ["BINARY"],
        "checksums": sums,
        "licenseConcluded": "NOASSERTION",
        "copyrightText": "NOASSERTION",
    }


def _relation(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
