"""Stays signed in over IMAP and asks again and again, until a file is there; then tells how long it waited for an answer at most."""
import imaplib
import json
import os
import ssl
import sys
import time

up = json.load(open(sys.argv[1]))
port = next(door["port"] for door in up["doors"] if door["service"] == "imaps")
account = next(account for account in up["accounts"] if account["address"] == sys.argv[2])
box = imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=ssl._create_unverified_context(), timeout=120)
box.login(account["address"], account["password"])
box.select()
print("signed in", flush=True)
answers, longest = 0, 0.0
while not os.path.exists(sys.argv[3]):
    begun = time.monotonic()
    assert box.noop()[0] == "OK"
    longest = max(longest, time.monotonic() - begun)
    answers += 1
    time.sleep(0.02)
assert box.search(None, "ALL")[0] == "OK"
print(json.dumps({"answers": answers, "longest_milliseconds": round(longest * 1000)}), flush=True)
