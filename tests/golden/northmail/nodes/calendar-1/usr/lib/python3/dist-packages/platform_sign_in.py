"""Signs users of the calendar in by asking an access node over IMAP."""

import hashlib
import imaplib
import os
import ssl
import threading
import time

from radicale.auth import BaseAuth

SCHEMA = {"auth": {
    "host": {"value": "", "type": str},
    "port": {"value": "143", "type": int},
    "authority": {"value": "", "type": str},
}}

# Seconds that an answer is remembered, since programs sign in with each request.
REMEMBERED = 60


class Auth(BaseAuth):
    def __init__(self, configuration):
        super().__init__(configuration.copy(SCHEMA))
        self._host = self.configuration.get("auth", "host")
        self._port = self.configuration.get("auth", "port")
        self._tls = ssl.create_default_context(cafile=self.configuration.get("auth", "authority"))
        self._salt = os.urandom(16)
        self._known = {}
        self._lock = threading.Lock()

    def login(self, login, password):
        login = login.lower()
        # A name becomes a folder; nothing that could be a path is asked for.
        if not login or "/" in login or login.startswith(".") or "\0" in login + password:
            return ""
        key = hashlib.sha256(self._salt + repr((login, password)).encode()).digest()
        now = time.monotonic()
        with self._lock:
            self._known = {known: until for known, until in self._known.items() if until > now}
            if key in self._known:
                return login
        if not self._asked(login, password):
            return ""
        with self._lock:
            self._known[key] = now + REMEMBERED
        return login

    def _asked(self, login, password):
        connection = imaplib.IMAP4(self._host, self._port, timeout=30)
        try:
            connection.starttls(self._tls)
            initial = b"\0" + login.encode() + b"\0" + password.encode()
            connection.authenticate("PLAIN", lambda challenge: initial)
            return True
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error:
            return False
        finally:
            try:
                connection.logout()
            except (OSError, imaplib.IMAP4.error):
                pass
