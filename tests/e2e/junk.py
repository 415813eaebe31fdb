#!/usr/bin/env python3
"""Sends malformed datagrams to a loopback address, seeded, for a while.

    junk.py IP PORT[,PORT...] SECONDS
"""
import random
import socket
import sys
import time

INVITE = (b"INVITE sip:XYZ@h SIP/2.0\r\n"
          b"Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKjunk%d\r\n"
          b"From: <sip:j@h>;tag=1\r\nTo: <sip:XYZ@h>\r\n"
          b"Call-ID: junk%d@h\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n"
          b"Contact: <sip:j@127.0.0.1:9>\r\nContent-Length: 0\r\n\r\n")


def mangle(rnd, n):
    msg = bytearray(INVITE % (n, n))
    kind = rnd.randrange(7)
    if kind == 0:                        # cut short
        del msg[rnd.randrange(len(msg)):]
    elif kind == 1:                      # bytes changed
        for _ in range(rnd.randrange(1, 20)):
            msg[rnd.randrange(len(msg))] = rnd.randrange(256)
    elif kind == 2:                      # a huge header
        msg[60:60] = b"X: " + b"y" * rnd.randrange(1, 40000) + b"\r\n"
    elif kind == 3:                      # lies about its length
        msg = msg.replace(b"Content-Length: 0",
                          b"Content-Length: %d" % rnd.choice(
                              (-1, 1, 99999, 2 ** 32, 2 ** 64)))
    elif kind == 4:                      # noise, with RTP's first byte
        msg = bytearray([0x80]) + rnd.randbytes(rnd.randrange(1500))
    elif kind == 5:                      # RTCP that claims too much
        msg = bytearray(b"\x9f\xc8\xff\xff") + rnd.randbytes(40)
    else:                                # many lines
        msg[60:60] = b"A: b\r\n" * rnd.randrange(1, 5000)
    return bytes(msg[:65000])


def main():
    ip, ports, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    if not ip.startswith("127."):
        sys.exit("only loopback addresses")
    ports = [int(p) for p in ports.split(",")]
    rnd = random.Random(42)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((ip, 0))
    end, n = time.time() + seconds, 0
    while time.time() < end and n < 100000:
        for port in ports:
            sock.sendto(mangle(rnd, n), (ip, port))
        n += 1
        time.sleep(0.002)
    print("%d junk datagrams to each of %s" % (n, ports))


if __name__ == "__main__":
    main()
