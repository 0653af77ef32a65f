"""Messages by e-mail."""

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

import aiosmtplib

from infra.errors import ConfigurationError
from infra.settings import Settings
from sinks.notify.channel import REFUSED, RETRY, SENT, TIMEOUT_S, Message, Verdict


@dataclass(frozen=True, slots=True)
class Server:
    """The SMTP server.

    Attributes:
        tls: starttls, tls or none.
        password: never in a log line.
    """

    host: str
    port: int
    tls: str
    sender: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    context: ssl.SSLContext | None = None


def server_of(settings: Settings) -> Server:
    """The server by the settings.

    Raises:
        ConfigurationError: none is named, or a setting is wrong; the message names no secret.
    """
    if not settings.smtp_host:
        raise ConfigurationError("no mail server is named; set POWERMON_SMTP_HOST")
    if "@" not in settings.smtp_from:
        raise ConfigurationError(f"POWERMON_SMTP_FROM is {settings.smtp_from!r}; expected the sender's address")
    password = None
    if settings.smtp_password_file:
        try:
            password = Path(settings.smtp_password_file).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise ConfigurationError(
                f"the file of POWERMON_SMTP_PASSWORD_FILE cannot be read: {reason}; expected one line with the password"
            ) from error
    if password is not None and settings.smtp_tls == "none":
        raise ConfigurationError("POWERMON_SMTP_TLS=none would send the password in the clear; expected starttls or tls")
    try:
        context = None if settings.smtp_tls == "none" else ssl.create_default_context(cafile=settings.smtp_ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"the file of POWERMON_SMTP_CA_FILE cannot be used: {error}; expected PEM") from error
    return Server(
        settings.smtp_host,
        settings.smtp_port or {"tls": 465, "starttls": 587, "none": 25}[settings.smtp_tls],
        settings.smtp_tls,
        settings.smtp_from,
        settings.smtp_user or None,
        password,
        context,
    )


class Mail:
    """The mailboxes of one receiver.

    Args:
        to: addresses with commas between.
    """

    def __init__(self, server: Server, to: str, timeout_s: float = TIMEOUT_S) -> None:
        self._server, self._to, self._timeout_s = server, to.split(","), timeout_s

    async def send(self, message: Message) -> Verdict:
        """Hand it to the server; what one mailbox does not take is told if none does."""
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            timeout=self._timeout_s,
            use_tls=server.tls == "tls",
            start_tls=server.tls == "starttls",
            tls_context=server.context,
            username=server.user if server.password is not None else None,
            password=server.password,
        )
        try:
            async with client:
                await client.send_message(self._written(message), sender=server.sender, recipients=self._to)
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [one.code for one in error.recipients]
            reason = f"the mail server took none of {len(codes)} addresses ({', '.join(map(str, sorted(set(codes))))})"
            return Verdict(REFUSED if all(code >= 500 for code in codes) else RETRY, reason)
        except aiosmtplib.SMTPAuthenticationError as error:  # a person may correct it
            return Verdict(RETRY, f"the mail server refused name or password ({error.code})")
        except aiosmtplib.SMTPResponseException as error:
            return Verdict(REFUSED if error.code >= 500 else RETRY, f"the mail server answered {error.code}")
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            return Verdict(RETRY, f"no mail server ({type(error).__name__})")
        return Verdict(SENT)

    async def close(self) -> None:
        """Each message has a connection of its own."""

    def _written(self, message: Message) -> EmailMessage:
        found = EmailMessage()
        found["From"] = self._server.sender
        found["To"] = ", ".join(self._to)
        found["Subject"] = message.words.subject
        found["Date"] = format_datetime(datetime.now(UTC))
        found["Message-ID"] = f"<{message.id}@{self._server.sender.rpartition('@')[2].strip('> ')}>"
        found["Auto-Submitted"] = "auto-generated"
        found.set_content(message.words.text, cte="quoted-printable")
        return found
