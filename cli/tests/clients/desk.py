"""What people do with a running example platform, done with Python's own mail modules.

Run by clients.rs with the path of the JSON document that `mailwright up --json` printed in DESK.
"""

import email.utils
import imaplib
import json
import os
import poplib
import smtplib
import socket
import ssl
import time
import unittest
import urllib.request
import uuid
from email.message import EmailMessage
from email.policy import SMTP

DESK = json.load(open(os.environ["DESK"], encoding="utf-8"))
TLS = ssl.create_default_context(cafile=DESK["authority"])

ALICE = "alice@acme.example"
OFFICE = "office@acme.example"
BOB = "bob@bigmail.example"

# Put together here, so that a scanner leaves this file alone.
EICAR = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + "EICAR-STANDARD-ANTIVIRUS" + "-TEST-FILE!$H+H*"
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*" + "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL" + "*C.34X"


def door(service):
    found = next(door for door in DESK["doors"] if door["service"] == service)
    return found["host"], found["port"]


def password(address):
    return next(account["password"] for account in DESK["accounts"] if account["address"] == address)


def account(kind, domain=None):
    for entry in DESK["accounts"]:
        if entry["kind"] == kind and (domain is None or entry["address"].endswith("@" + domain)):
            return entry["address"]
    raise LookupError(f"no {kind} account of {domain} to try")


def globex():
    return account("mailbox", "globex.example")


def imap(address, secret=None, service="imaps"):
    host, port = door(service)
    if service == "imaps":
        client = imaplib.IMAP4_SSL(host, port, ssl_context=TLS)
    else:
        client = imaplib.IMAP4(host, port)
        if service == "imap":
            client.starttls(TLS)
    client.login(address, secret or password(address))
    return client


def submission(address, service="submission"):
    host, port = door(service)
    if service == "submissions":
        client = smtplib.SMTP_SSL(host, port, context=TLS)
    else:
        client = smtplib.SMTP(host, port)
        client.starttls(context=TLS)
    client.login(address, password(address))
    return client


def from_outside(sender, recipients, content, options=()):
    host, port = door("mx")
    with smtplib.SMTP(host, port) as client:
        return client.sendmail(sender, recipients, content, mail_options=options)


def letter(sender, recipient, subject, body="Hello.\r\n"):
    return (
        f"From: {sender}\r\nTo: {recipient}\r\nSubject: {subject}\r\nDate: {email.utils.formatdate()}\r\n"
        f"Message-ID: <{uuid.uuid4()}@{sender.split('@')[1]}>\r\n\r\n{body}"
    ).encode()


def wait_for(client, subject, folder="INBOX", seconds=10):
    """Returns the whole messages of a folder whose subject is the one given, waiting until there is one."""
    deadline = time.monotonic() + seconds
    while True:
        status, _ = client.select(f'"{folder}"', readonly=True)
        if status == "OK":
            _, found = client.search(None, "SUBJECT", f'"{subject}"')
            if found[0]:
                return [client.fetch(number, "(BODY.PEEK[])")[1][0][1] for number in found[0].split()]
        if time.monotonic() > deadline:
            return []
        time.sleep(0.05)


def oma(method, name, secret, **fields):
    host, port = door("api")
    body = json.dumps({"credentials": {"user": name, "password": secret}, **fields}).encode()
    request = urllib.request.Request(f"https://{host}:{port}/api/{method}", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, context=TLS) as reply:
        return json.load(reply)


def admin(method, reseller="acme", **fields):
    name = f"admin@{reseller}.adm"
    return oma(method, name, password(name), **fields)


class Receiving(unittest.TestCase):
    def arrives_unchanged(self, content, options=(), recipient=ALICE):
        subject = str(uuid.uuid4())
        content = content.replace(b"SUBJECT", subject.encode())
        from_outside(BOB, [recipient], content, options)
        with imap(recipient) as client:
            messages = wait_for(client, subject)
        self.assertEqual(len(messages), 1)
        self.assertTrue(messages[0].endswith(content), "the message changed below the trace headers")
        trace = messages[0][: -len(content)]
        self.assertRegex(trace, rb"(?m)^Received: ")
        self.assertTrue(trace.endswith(b"\r\n"))
        return subject, messages[0]

    def test_a_message_with_attachments_arrives_byte_for_byte(self):
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = BOB, ALICE, "SUBJECT"
        message["Date"], message["Message-ID"] = email.utils.formatdate(), f"<{uuid.uuid4()}@bigmail.example>"
        message.set_content("Grüße aus der Ferne\n", cte="8bit")
        message.add_alternative("<p>Grüße</p>", subtype="html")
        message.add_attachment(os.urandom(200_000), "application", "octet-stream", filename="r.bin")
        message.add_attachment(message_in_message())
        self.arrives_unchanged(message.as_bytes(policy=SMTP), ["BODY=8BITMIME"])

    def test_long_lines_dots_and_trailing_blanks_survive(self):
        body = "x" * 990 + "\r\n.\r\n..\r\n.leading\r\n \t \r\n" + "y" * 9000 + "\r\n\r\n\r\n"
        self.arrives_unchanged(letter(BOB, ALICE, "SUBJECT", body))

    def test_pop3_gives_the_same_bytes(self):
        # Another mailbox: Python's module takes no line over 2,048 bytes, and alice has some.
        _, whole = self.arrives_unchanged(letter(BOB, globex(), "SUBJECT", "pop\r\n"), recipient=globex())
        host, port = door("pop3s")
        client = poplib.POP3_SSL(host, port, context=TLS)
        client.user(globex())
        client.pass_(password(globex()))
        count, _ = client.stat()
        texts = [b"\r\n".join(client.retr(number)[1]) + b"\r\n" for number in range(1, count + 1)]
        client.quit()
        self.assertIn(whole, texts)

    def test_many_recipients_each_get_one(self):
        subject = str(uuid.uuid4())
        from_outside(BOB, [ALICE, globex()], letter(BOB, ALICE, subject))
        for address in (ALICE, globex()):
            with imap(address) as client:
                self.assertEqual(len(wait_for(client, subject)), 1)

    def test_an_alias_reaches_its_mailbox(self):
        subject = str(uuid.uuid4())
        from_outside(BOB, ["al@acme.example"], letter(BOB, "al@acme.example", subject))
        with imap(ALICE) as client:
            self.assertEqual(len(wait_for(client, subject)), 1)

    def test_an_unknown_user_and_a_foreign_domain_are_refused_at_rcpt(self):
        host, port = door("mx")
        with smtplib.SMTP(host, port) as client:
            client.ehlo("bigmail.example")
            client.mail(BOB)
            self.assertEqual(client.rcpt("nobody-of-that-name@globex.example")[0], 550)
            self.assertEqual(client.rcpt("victim@elsewhere.example")[0], 554)

    def test_gtube_does_not_reach_the_inbox(self):
        subject = str(uuid.uuid4())
        try:
            from_outside(BOB, [ALICE], letter(BOB, ALICE, subject, GTUBE + "\r\n"))
        except smtplib.SMTPDataError as refusal:
            self.assertGreaterEqual(refusal.smtp_code, 550)
            return
        with imap(ALICE) as client:
            self.assertEqual(len(wait_for(client, subject, "Spam")), 1)
            self.assertEqual(wait_for(client, subject, "INBOX", 0), [])

    def test_eicar_reaches_no_folder(self):
        for encoded in (False, True):
            subject = str(uuid.uuid4())
            message = EmailMessage()
            message["From"], message["To"], message["Subject"] = BOB, ALICE, subject
            if encoded:
                message.set_content("see attachment")
                message.add_attachment(EICAR.encode(), "application", "octet-stream", filename="a.com")
            else:
                message.set_content(EICAR)
            try:
                from_outside(BOB, [ALICE], message.as_bytes(policy=SMTP))
            except smtplib.SMTPDataError as refusal:
                self.assertGreaterEqual(refusal.smtp_code, 550)
            marker = str(uuid.uuid4())
            from_outside(BOB, [ALICE], letter(BOB, ALICE, marker))
            with imap(ALICE) as client:
                self.assertEqual(len(wait_for(client, marker)), 1)
                for line in client.list()[1]:
                    folder = line.decode().split(' "/" ')[1].strip('"')
                    self.assertEqual(wait_for(client, subject, folder, 0), [], folder)


def message_in_message():
    inner = EmailMessage()
    inner["Subject"] = "inner"
    inner.set_content("inside\n")
    return inner


class Submitting(unittest.TestCase):
    def test_all_ways_to_sign_in(self):
        for service in ("submission", "submissions"):
            for mechanism in ("PLAIN", "LOGIN"):
                host, port = door(service)
                client = (
                    smtplib.SMTP_SSL(host, port, context=TLS) if service == "submissions" else smtplib.SMTP(host, port)
                )
                with client:
                    if service == "submission":
                        client.ehlo()
                        self.assertFalse(client.has_extn("auth"), "AUTH is offered without TLS")
                        client.starttls(context=TLS)
                    client.ehlo()
                    client.user, client.password = ALICE, password(ALICE)
                    ask = client.auth_plain if mechanism == "PLAIN" else client.auth_login
                    self.assertEqual(client.auth(mechanism, ask)[0], 235)

    def test_a_wrong_password_and_an_unknown_user_look_alike(self):
        answers = []
        for user in (ALICE, "nobody-at-all@acme.example"):
            host, port = door("submissions")
            with smtplib.SMTP_SSL(host, port, context=TLS) as client:
                with self.assertRaises(smtplib.SMTPAuthenticationError) as refused:
                    client.login(user, "not the password")
                answers.append((refused.exception.smtp_code, refused.exception.smtp_error))
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(answers[0][0], 535)

    def test_sending_needs_a_sign_in(self):
        host, port = door("submission")
        with smtplib.SMTP(host, port) as client:
            client.starttls(context=TLS)
            client.ehlo()
            # As Postfix does it: a sender alone is nothing yet to refuse.
            self.assertEqual(client.mail(ALICE)[0], 250)
            self.assertEqual(client.rcpt(globex())[0], 530)

    def test_a_user_sends_as_itself_and_its_aliases(self):
        for sender in (ALICE, "al@acme.example"):
            subject = str(uuid.uuid4())
            with submission(ALICE) as client:
                client.sendmail(sender, [globex()], letter(sender, globex(), subject))
            with imap(globex()) as client:
                self.assertEqual(len(wait_for(client, subject)), 1)

    def test_a_user_sends_as_nobody_else(self):
        with submission(ALICE) as client:
            with self.assertRaises(smtplib.SMTPException):
                client.sendmail(OFFICE, [globex()], letter(OFFICE, globex(), "envelope"))
        with submission(ALICE) as client:
            with self.assertRaises(smtplib.SMTPDataError):
                client.sendmail(ALICE, [globex()], letter(OFFICE, globex(), "header"))
        with submission(ALICE) as client:
            two = b"From: " + OFFICE.encode() + b"\r\n" + letter(ALICE, globex(), "two")
            with self.assertRaises(smtplib.SMTPDataError):
                client.sendmail(ALICE, [globex()], two)

    def test_mail_to_the_outside_arrives_in_the_simulated_internet(self):
        subject = str(uuid.uuid4())
        with submission(ALICE, "submissions") as client:
            client.sendmail(ALICE, [BOB], letter(ALICE, BOB, subject))
        with imap(BOB, service="internet-imap") as client:
            self.assertEqual(len(wait_for(client, subject, seconds=90)), 1)

    def test_mail_to_a_domain_that_does_not_exist_comes_back(self):
        subject = str(uuid.uuid4())
        with submission(ALICE) as client:
            client.sendmail(ALICE, ["x@no-such-domain.invalid"], letter(ALICE, "x@no-such-domain.invalid", subject))
        with imap(ALICE) as client:
            deadline = time.monotonic() + 10
            found = []
            while not found and time.monotonic() < deadline:
                client.select("INBOX", readonly=True)
                _, numbers = client.search(None, "TEXT", f'"{subject}"', "FROM", "MAILER-DAEMON")
                found = numbers[0].split()
            self.assertEqual(len(found), 1)
            report = client.fetch(found[0], "(BODY.PEEK[])")[1][0][1]
            self.assertIn(b"multipart/report", report)
            self.assertRegex(report, rb"(?m)^Status: 5\.")


class Provisioning(unittest.TestCase):
    def test_a_mailbox_made_by_the_api_is_used_and_deleted(self):
        address, secret = f"api-{uuid.uuid4().hex[:8]}@acme.example", "Correct-Horse-7-Battery"
        made = admin("change_user", user=address, attributes={"password": secret, "name": "Made"}, create_only=True)
        self.assertTrue(made["success"], made)
        again = admin("change_user", user=address, attributes={}, create_only=1)
        self.assertEqual((again["success"], again["error_number"]), (False, 23))
        self.assertEqual(admin("get_user", user=address)["attributes"]["name"], "Made")
        subject = str(uuid.uuid4())
        from_outside(BOB, [address], letter(BOB, address, subject))
        with imap(address, secret) as client:
            self.assertEqual(len(wait_for(client, subject)), 1)
        found = admin("search_users", criteria={"domain": "acme.example", "match": address.split("@")[0]})
        self.assertEqual([entry["user"] for entry in found["users"]], [address])
        self.assertTrue(oma("authenticate", address, secret)["success"])
        token = admin("generate_token", user=address, reason="test", duration=1, type="session")["token"]
        with imap(address, token) as client:
            self.assertEqual(client.select()[0], "OK")
        self.assertTrue(admin("delete_user", user=address)["success"])
        host, port = door("mx")
        with smtplib.SMTP(host, port) as client:
            client.ehlo("bigmail.example")
            client.mail(BOB)
            self.assertEqual(client.rcpt(address)[0], 550)
        with self.assertRaises(imaplib.IMAP4.error):
            imap(address, secret)
        self.assertFalse(oma("authenticate", address, secret)["success"])

    def test_one_reseller_never_sees_another(self):
        foreign = admin("get_user", user=globex())
        unknown = admin("get_user", user="nobody-here@globex.example")
        self.assertFalse(foreign["success"])
        self.assertEqual(
            {key: value for key, value in foreign.items() if key != "audit"},
            {key: value for key, value in unknown.items() if key != "audit"},
        )
        self.assertFalse(admin("change_user", user=globex(), attributes={"name": "mine now"})["success"])

    def test_the_bytes_are_laid_out_as_clients_expect(self):
        host, port = door("api")
        user = "admin@acme.adm"
        body = json.dumps({"credentials": {"user": user, "password": "wrong"}}).encode()
        with urllib.request.urlopen(f"https://{host}:{port}/api/authenticate", body, context=TLS) as reply:
            raw = reply.read()
        self.assertRegex(raw, rb'^\{"success":false,"error_number":1,"error":"[^"]*", "audit":"[^"]*"\}')


class Reading(unittest.TestCase):
    def test_imap_announces_and_does_what_mail_programs_need(self):
        with imap(ALICE) as client:
            capabilities = client.capability()[1][0].decode().upper().split()
            for needed in ("IMAP4REV1", "UIDPLUS", "IDLE", "MOVE", "SPECIAL-USE", "CONDSTORE"):
                self.assertIn(needed, capabilities)
            folder = f"Projects/{uuid.uuid4()}"
            self.assertEqual(client.create(f'"{folder}"')[0], "OK")
            content = letter(ALICE, ALICE, "kept")
            status, answer = client.append(f'"{folder}"', "(\\Seen)", None, content)
            self.assertEqual(status, "OK", answer)
            client.select(f'"{folder}"')
            self.assertEqual(client.fetch("1", "(FLAGS RFC822.SIZE BODY[])")[1][0][1], content)
            self.assertEqual(client.store("1", "+FLAGS", "(\\Deleted)")[0], "OK")
            self.assertEqual(client.expunge()[0], "OK")
            self.assertEqual(client.search(None, "ALL")[1][0], b"")
            client.close()
            self.assertEqual(client.delete(f'"{folder}"')[0], "OK")

    def test_imap_takes_no_password_without_tls(self):
        host, port = door("imap")
        client = imaplib.IMAP4(host, port)
        with self.assertRaises(imaplib.IMAP4.error):
            client.login(ALICE, password(ALICE))
        client.shutdown()


class Hostile(unittest.TestCase):
    def talk(self, service, data):
        with socket.create_connection(door(service), timeout=20) as link:
            link.recv(4096)
            try:
                link.sendall(data)
                link.shutdown(socket.SHUT_WR)
                got = b""
                while True:
                    part = link.recv(65536)
                    if not part or len(got) > 1_000_000:
                        return got
                    got += part
            except OSError:
                return b""

    def test_wrong_ends_of_data_smuggle_nothing(self):
        for end in (b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\r\n\x00.\r\n"):
            subject = str(uuid.uuid4())
            smuggled = (
                b"MAIL FROM:<evil@bigmail.example>\r\nRCPT TO:<" + ALICE.encode() + b">\r\nDATA\r\nSubject: "
                + subject.encode() + b"\r\n\r\nsmuggled\r\n.\r\n"
            )
            dialogue = (
                b"EHLO bigmail.example\r\nMAIL FROM:<bob@bigmail.example>\r\nRCPT TO:<" + ALICE.encode()
                + b">\r\nDATA\r\nSubject: carrier\r\n\r\nbody" + end + smuggled + b"QUIT\r\n"
            )
            answer = self.talk("mx", dialogue)
            self.assertNotIn(b"\r\n250 2.0.0 Ok: queued\r\n250", answer)
            marker = str(uuid.uuid4())
            from_outside(BOB, [ALICE], letter(BOB, ALICE, marker))
            with imap(ALICE) as client:
                self.assertEqual(len(wait_for(client, marker)), 1)
                self.assertEqual(wait_for(client, subject, seconds=0), [], end)

    def test_plaintext_behind_starttls_is_dropped(self):
        host, port = door("submission")
        with socket.create_connection((host, port), timeout=20) as link:
            link.recv(4096)
            link.sendall(b"EHLO x\r\n")
            link.recv(4096)
            link.sendall(b"STARTTLS\r\nNOOP injected\r\n")
            link.recv(4096)
            with TLS.wrap_socket(link, server_hostname="localhost") as secure:
                secure.sendall(b"QUIT\r\n")
                self.assertTrue(secure.recv(4096).startswith(b"221"))

    def test_noise_is_answered_and_the_door_stays_open(self):
        noise = [os.urandom(20_000), b"A" * 2_000_000, b"(" * 500_000 + b"\r\n", b"a LOGIN {2147483647}\r\n", b"\x00" * 4096]
        for service in ("mx", "submission", "imap", "pop3", "internet-imap"):
            for bytes_ in noise:
                self.talk(service, bytes_)
        self.test_plaintext_behind_starttls_is_dropped()
        with imap(ALICE) as client:
            self.assertEqual(client.select()[0], "OK")


if __name__ == "__main__":
    unittest.main(verbosity=2)
