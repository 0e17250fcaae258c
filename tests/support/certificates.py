"""Certificates for tests: one signed by itself, and those of an authority."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


def make_certificate(folder: Path, *names: str) -> Path:
    """A PEM file with the key and the certificate of these host names and of 127.0.0.1."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    alternatives = ",".join(["IP:127.0.0.1", *(f"DNS:{name}" for name in names)])
    _openssl(
        "req", "-x509", *_CURVE, "-subj", "/CN=ruie tests", "-addext",
        f"subjectAltName={alternatives}", "-keyout", str(key), "-out", str(certificate),
    )  # fmt: skip  # one command
    both = folder / "both.pem"
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, PEM files."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates. file: its own certificate, by which others trust it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.file = folder / "authority.pem"
        _openssl("req", "-x509", *_CURVE, "-subj", "/CN=An authority", "-keyout",
                 str(folder / "authority.key"), "-out", str(self.file))  # fmt: skip  # one command

    def issue(self, name: str) -> Issued:
        """A certificate of a host, or of a user where `name` is no host that anybody connects to.
        libpq refuses a key that others may read."""
        made = Issued(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request = self._folder / f"{name}.csr"
        _openssl("req", *_CURVE, "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
                 "-keyout", str(made.key), "-out", str(request))  # fmt: skip  # one command
        _openssl("x509", "-req", "-in", str(request), "-CA", str(self.file), "-CAkey",
                 str(self._folder / "authority.key"), "-CAcreateserial", "-days", "2",
                 "-copy_extensions", "copy", "-out", str(made.certificate))  # fmt: skip  # likewise
        made.key.chmod(0o600)
        return made


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
