"""A mail server for the tests: STARTTLS and a password are required, every mail becomes a file.

    mail.py FOLDER

When it answers, FOLDER/exports holds `export` lines, FOLDER/ca.pem the authority that signed its certificate,
and FOLDER/mail gets one .eml per message, with the envelope in its first lines.
"""

import asyncio
import os
import pathlib
import signal
import ssl
import sys

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

USER, PASSWORD = "skaas", "test password: @/?"
QUOTED = "test%20password%3A%20%40%2F%3F"


class Folder:
    """Takes any mail but those to `refused@`, which no server would take, and `later@`, which some put off."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path, self.count = path, 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused@"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("later@"):
            return "451 4.7.1 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        file = self.path / f"{self.count:06d}.eml"
        part = file.with_suffix(".part")
        part.write_bytes(
            b"X-Envelope-To: %s\r\nX-Tls: %s\r\n" % (
                ",".join(envelope.rcpt_tos).encode(), b"yes" if session.ssl else b"no")
            + envelope.original_content)
        os.rename(part, file)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=good, handled=good)


async def main(folder: pathlib.Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    mails = folder / "mail"
    mails.mkdir(exist_ok=True)
    handler = Folder(mails)
    loop = asyncio.get_running_loop()

    def session():
        return SMTP(handler, hostname="localhost", tls_context=context, require_starttls=True, auth_required=True,
                    auth_require_tls=True, authenticator=authenticate, loop=loop)

    server = await loop.create_server(session, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    part = folder / "exports.part"
    part.write_text(
        f"export SKAAS_TEST_SMTP_URL=smtp://{USER}:{QUOTED}@localhost:{port}\n"
        f"export SKAAS_TEST_SMTP_CA={folder / 'ca.pem'}\n"
        f"export SKAAS_TEST_SMTP_FOLDER={mails}\n")
    os.rename(part, folder / "exports")
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()


asyncio.run(main(pathlib.Path(sys.argv[1]).resolve()))
