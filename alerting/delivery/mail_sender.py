"""Sending a mail over SMTP, with the knowledge whether the server may have accepted it.

apprise parses the URL of a mail channel. Its own plugin reports every failure alike, so a mail that a slow
server has accepted would be sent again.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import smtplib
import ssl
import time
from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import formataddr
from typing import Protocol

from alerting.messages.outgoing_message import AttemptResult, OutgoingMessage
from twin.instant import to_datetime

MAIL_HEADER = "X-LiveTwin-Notification"
"""The header of mails with the notification's id."""

_ASK_SHARE = 0.5
"""The share of an attempt's time in which the server must ask for the mail; the rest is to confirm it."""

_START_DATA = 354
_PERMANENT = 500
_LEADING_DOT = re.compile(rb"(?m)^\.")


class Mailbox(Protocol):
    """What is used of apprise's `NotifyEmail`."""

    smtp_host: str
    port: int
    secure_mode: str  #: `insecure`, `ssl` or `starttls`
    user: str | None
    password: str | None
    verify_certificate: bool
    from_addr: Sequence[str]  #: name and address
    targets: Sequence[tuple[str | bool, str]]  #: name, if there is one, and address
    cc: set[str]
    bcc: set[str]
    reply_to: set[str]


def send_mail(mailbox: Mailbox, message: OutgoingMessage, body: str, timeout_s: float) -> AttemptResult:
    """Send a message to the addresses of a mailbox.

    The result is doubtful when the server has the whole mail and does not answer in time. A reply of 5xx to
    the mail or its addresses is final; one to the connection or the login is not, since it may be mended.
    """
    session = _MailSession(mailbox, timeout_s)
    server = f"mail server {mailbox.smtp_host}:{mailbox.port}"
    try:
        refused = session.send(_encode_mail(mailbox, message, body))
    except smtplib.SMTPResponseException as error:
        is_final = session.is_logged_in and error.smtp_code >= _PERMANENT
        detail = f"{server} refused the mail: {_reply_text(error.smtp_code, error.smtp_error)}"
        return AttemptResult(message.id, False, detail, is_final)
    except (OSError, smtplib.SMTPException) as error:
        if session.has_mail and _is_timeout(error):
            detail = f"{server} has the mail, and did not confirm it within {timeout_s:g} s"
            return AttemptResult(message.id, False, detail, doubtful=True)
        reason = "no answer in time" if _is_timeout(error) else str(error)
        where = "lost during the mail" if session.is_connected else "cannot be reached"
        return AttemptResult(message.id, False, f"{server} {where}: {reason}")
    if refused:
        detail = f"{server} refused addresses: {'; '.join(refused)}"
        return AttemptResult(message.id, False, detail, final=True)
    return AttemptResult(message.id, True)


class _MailSession:
    """One connection for one mail. Each step has the time that is left."""

    def __init__(self, mailbox: Mailbox, timeout_s: float) -> None:
        self._mailbox = mailbox
        now = time.monotonic()
        self._ask_until = now + timeout_s * _ASK_SHARE
        self._confirm_until = now + timeout_s
        self.is_connected = False
        self.is_logged_in = False
        self.has_mail = False  #: whether the server may have the whole mail

    def send(self, mail: bytes) -> list[str]:
        """Hand over a mail; return the addresses that the server refused, with its replies.

        Raises smtplib.SMTPResponseException when it refuses the mail or all addresses, OSError and
        smtplib.SMTPException when the connection fails.
        """
        with contextlib.closing(self._connect()) as smtp:
            self._log_in(smtp)
            refused = self._name_addresses(smtp)
            self._ask(smtp, "DATA", _START_DATA)
            self.has_mail = True
            _limit(smtp, self._confirm_until)
            smtp.send(_LEADING_DOT.sub(b"..", mail) + b".\r\n")
            _expect(smtp.getreply(), 250)
            with contextlib.suppress(OSError, smtplib.SMTPException):
                smtp.quit()
        return refused

    def _connect(self) -> smtplib.SMTP:
        mailbox = self._mailbox
        address, timeout_s = (mailbox.smtp_host, mailbox.port), _remaining_s(self._ask_until)
        if mailbox.secure_mode == "ssl":
            return smtplib.SMTP_SSL(*address, timeout=timeout_s, context=self._tls())
        return smtplib.SMTP(*address, timeout=timeout_s)

    def _log_in(self, smtp: smtplib.SMTP) -> None:
        self.is_connected = True
        mailbox = self._mailbox
        _limit(smtp, self._ask_until)
        smtp.ehlo_or_helo_if_needed()
        if mailbox.secure_mode == "starttls":
            smtp.starttls(context=self._tls())
            smtp.ehlo_or_helo_if_needed()
        if mailbox.user and mailbox.password:
            _limit(smtp, self._ask_until)
            smtp.login(mailbox.user, mailbox.password)
        self.is_logged_in = True

    def _name_addresses(self, smtp: smtplib.SMTP) -> list[str]:
        mailbox = self._mailbox
        self._ask(smtp, f"MAIL FROM:<{mailbox.from_addr[1]}>", 250)
        addresses = dict.fromkeys((*_addresses(mailbox), *sorted(mailbox.cc), *sorted(mailbox.bcc)))
        refusals: dict[str, smtplib.SMTPResponseException] = {}
        for address in addresses:
            try:
                self._ask(smtp, f"RCPT TO:<{address}>", 250, 251)
            except smtplib.SMTPResponseException as error:
                refusals[address] = error
        if len(refusals) == len(addresses):
            # Another attempt may reach an address that is refused only for now.
            raise min(refusals.values(), key=lambda error: error.smtp_code)
        return [f"{to} ({_reply_text(error.smtp_code, error.smtp_error)})" for to, error in refusals.items()]

    def _ask(self, smtp: smtplib.SMTP, command: str, *expected: int) -> None:
        _limit(smtp, self._ask_until)
        _expect(smtp.docmd(command), *expected)

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if not self._mailbox.verify_certificate:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _encode_mail(mailbox: Mailbox, message: OutgoingMessage, body: str) -> bytes:
    """Return the mail. Mails of an incident refer to the same id, so that mail programs show a thread."""
    mail = EmailMessage(policy=SMTP_POLICY)
    name, address = mailbox.from_addr
    domain = address.rpartition("@")[2]
    mail["From"] = formataddr((name or "", address))
    mail["To"] = ", ".join(_addresses(mailbox))
    for header, addresses in (("Cc", mailbox.cc), ("Reply-To", mailbox.reply_to)):
        if addresses:
            mail[header] = ", ".join(sorted(addresses))
    mail["Subject"] = " ".join(message.text.title.split())
    mail["Date"] = to_datetime(message.request.due_time)
    mail["Message-ID"] = _message_id(message.id, domain)
    if message.request.incident:
        mail["In-Reply-To"] = mail["References"] = _message_id(message.request.incident, domain)
    mail["Auto-Submitted"] = "auto-generated"
    mail[MAIL_HEADER] = message.id
    mail.set_content(body, cte="quoted-printable")
    return mail.as_bytes()


def _message_id(id: str, domain: str) -> str:
    """Return the same Message-ID for each attempt, so that mail programs can drop a repeated mail.

    >>> _message_id("high-water~alkmaar~1", "town.example")
    '<1c21656d64885aa49caf9095d95b01a6@town.example>'
    """
    return f"<{hashlib.sha256(id.encode()).hexdigest()[:32]}@{domain}>"


def _addresses(mailbox: Mailbox) -> list[str]:
    return [address for _, address in mailbox.targets]


def _limit(smtp: smtplib.SMTP, deadline: float) -> None:
    if smtp.sock is not None:
        smtp.sock.settimeout(_remaining_s(deadline))


def _remaining_s(deadline: float) -> float:
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError("no answer in time")
    return remaining


def _expect(reply: tuple[int, bytes], *codes: int) -> None:
    if reply[0] not in codes:
        raise smtplib.SMTPResponseException(*reply)


def _is_timeout(error: BaseException) -> bool:
    """Whether a time limit is the cause; smtplib replaces the error of the socket by its own."""
    return isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError)


def _reply_text(code: int, reply: bytes | str) -> str:
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    return f"{code} {' '.join(text.split())}"
