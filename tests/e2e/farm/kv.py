#!/usr/bin/env python3
"""Lists the keys that are stored in a key-value bucket of a NATS server.

    kv.py HOST:PORT BUCKET
"""
import json
import socket
import sys


class Nats:
    def __init__(self, host, port):
        self.s = socket.create_connection((host, port), 5)
        self.f = self.s.makefile("rb")
        self.f.readline()                        # INFO
        self.s.sendall(b'CONNECT {"verbose":false,"headers":true}\r\n'
                       b"SUB _INBOX.kv 1\r\n")

    def request(self, subject, payload=b""):
        self.s.sendall(b"PUB %s _INBOX.kv %d\r\n%s\r\n"
                       % (subject.encode(), len(payload), payload))
        while True:
            word = self.f.readline().split()
            if not word:
                sys.exit("connection closed")
            if word[0] == b"PING":
                self.s.sendall(b"PONG\r\n")
            elif word[0] == b"MSG":
                return self.f.read(int(word[-1]) + 2)[:-2]
            elif word[0] == b"HMSG":
                hdr, total = int(word[-2]), int(word[-1])
                return self.f.read(total + 2)[hdr:-2]
            elif word[0] == b"-ERR":
                sys.exit(b" ".join(word).decode())


def main(addr, bucket):
    host, port = addr.rsplit(":", 1)
    n = Nats(host, int(port))
    info = json.loads(n.request("$JS.API.STREAM.INFO.KV_" + bucket,
                                b'{"subjects_filter":">"}'))
    if "error" in info:
        return                                   # no such bucket: no keys
    for subject in info["state"].get("subjects") or {}:
        got = json.loads(n.request(
            "$JS.API.STREAM.MSG.GET.KV_" + bucket,
            json.dumps({"last_by_subj": subject}).encode()))
        msg = got.get("message")
        if msg and "KV-Operation" not in _text(msg.get("hdrs", "")):
            key = subject.split(".", 2)[2]
            if not key.startswith("$"):          # the bus's own
                print(key)


def _text(b64):
    import base64
    return base64.b64decode(b64).decode(errors="replace")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
