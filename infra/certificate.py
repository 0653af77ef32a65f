"""A TLS certificate in files: whether a server can use it, and for how long."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from infra.errors import ConfigurationError
from infra.settings import Settings

SOON_DAYS = 7
"""Fewer days than this before its end, somebody must look."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Two PEM files.

    Attributes:
        chain: the certificate, then those between it and the root.
        key: its private key, without a password.
    """

    chain: str
    key: str

    def context(self) -> ssl.SSLContext:
        """For a server; TLS 1.2 or later.

        Raises:
            ConfigurationError: the files are not usable.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            # An empty password: else a key that has one would ask for it at the terminal.
            context.load_cert_chain(self.chain, self.key, password="")
        except (OSError, ssl.SSLError) as error:
            reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
            raise ConfigurationError(
                f"certificate {self.chain} with key {self.key} cannot be used: {reason}; "
                "expected PEM files that belong together, readable, the key without a password"
            ) from None
        return context

    def problem(self) -> str | None:
        """Why a server cannot use it; None when it can."""
        try:
            self.context()
        except ConfigurationError as error:
            return str(error)
        return None

    def until(self) -> datetime:
        """Its last moment.

        Raises:
            ConfigurationError: the file holds no certificate.
        """
        try:
            return x509.load_pem_x509_certificate(Path(self.chain).read_bytes()).not_valid_after_utc
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{self.chain} holds no certificate: {error}") from None

    def days_left(self) -> float:
        """Days until it ends; negative when it has.

        Raises:
            ConfigurationError: the file holds no certificate.
        """
        return (self.until() - datetime.now(UTC)).total_seconds() / 86_400


def of_gateway(settings: Settings) -> Certificate | None:
    """The gateway's certificate; None: it speaks plain HTTP.

    Raises:
        ConfigurationError: one of the two files is named alone.
    """
    chain, key = settings.gateway_tls_cert, settings.gateway_tls_key
    if not chain and not key:
        return None
    if not (chain and key):
        named, lacking = ("CERT", "KEY") if chain else ("KEY", "CERT")
        raise ConfigurationError(f"POWERMON_GATEWAY_TLS_{named} is set alone; set POWERMON_GATEWAY_TLS_{lacking} too, or neither")
    return Certificate(chain, key)
