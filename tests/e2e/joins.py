#!/usr/bin/env python3
"""Phones that call at a steady rate and follow where they are sent, up to the
media server; one that is refused or hears nothing calls again, as people do.

usage: joins.py HOST:PORT RATE CONFERENCES [ADDRESS]
Goes on until SIGTERM, and ends when all have got in. Prints JSON several times
a second, and at the end: joins, ok, retries, failed, refused_ms (from the
first refusal to the last), via (how many came through which server)."""
import json
import select
import signal
import socket
import sys
import time

host, port = sys.argv[1].rsplit(':', 1)
first = (host, int(port))
rate, confs = float(sys.argv[2]), int(sys.argv[3])
T1, GIVE_UP, AGAIN, LAST = 0.5, 1.5, 0.2, 60

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
sock.bind((sys.argv[4] if len(sys.argv) > 4 else host, 0))
me = '%s:%d' % sock.getsockname()
sock.setblocking(False)


class Join:
    def __init__(self, n, now):
        self.n, self.tries, self.begun = n, 0, now
        self.begin(now)

    def begin(self, now):
        self.tries += 1
        self.seq, self.to, self.hop = 0, first, 0
        self.callid = '%d-%d-%s' % (self.n, self.tries, me)
        self.uri = 'sip:conf%d@%s:%d' % (self.n % confs, *first)
        self.next(now)

    def next(self, now):
        self.seq += 1
        self.sent = now
        self.send(now)

    def send(self, now):
        self.again = now + T1
        sock.sendto((
            'INVITE %s SIP/2.0\r\n'
            'Via: SIP/2.0/UDP %s;branch=z9hG4bK%s-%d;rport\r\n'
            'Max-Forwards: 70\r\nFrom: <sip:u%d@%s>;tag=%d\r\n'
            'To: <sip:conf@%s>\r\nCall-ID: %s\r\nCSeq: %d INVITE\r\n'
            'Contact: <sip:u%d@%s>\r\nContent-Length: 0\r\n\r\n' % (
                self.uri, me, self.callid, self.seq, self.n, me, self.n,
                me, self.callid, self.seq, self.n, me)).encode(), self.to)


waiting, stat = {}, dict(joins=0, ok=0, retries=0, failed=0, via={})
refusals, later = [], []


def refused(j, now):
    refusals.append(now)
    waiting.pop(j.callid, None)
    if now - j.begun > LAST:
        stat['failed'] += 1
        return
    stat['retries'] += 1
    later.append((now + AGAIN, j))


def response(text, src, now):
    lines = text.split('\r\n')
    code = int(lines[0].split()[1])
    head = {}
    for line in lines[1:]:
        k, _, v = line.partition(':')
        head.setdefault(k.strip().lower(), v.strip())
    j = waiting.get(head.get('call-id'))
    if not j or head.get('cseq') != '%d INVITE' % j.seq or code < 200:
        return
    sock.sendto((
        'ACK %s SIP/2.0\r\nVia: %s\r\nMax-Forwards: 70\r\n'
        'From: <sip:u%d@%s>;tag=%d\r\nTo: %s\r\nCall-ID: %s\r\n'
        'CSeq: %d ACK\r\nContent-Length: 0\r\n\r\n' % (
            j.uri, 'SIP/2.0/UDP %s;branch=z9hG4bK%s-%d;rport' % (
                me, j.callid, j.seq),
            j.n, me, j.n, head['to'], j.callid, j.seq)).encode(), src)
    if code != 302:
        refused(j, now)
        return
    j.uri = head['contact'].strip('<>')
    h, p = j.uri.split('@')[1].split(';')[0].rsplit(':', 1)
    if ';ticket=' in j.uri:
        via = '%s:%d' % src
        stat['via'][via] = stat['via'].get(via, 0) + 1
        stat['ok'] += 1
        del waiting[j.callid]
        return
    j.to, j.hop = (h, int(p)), j.hop + 1
    j.next(now)


def tell():
    stat['refused_ms'] = round(1000 * (refusals[-1] - refusals[0])) \
        if refusals else 0
    print(json.dumps(stat), flush=True)


ending = []
signal.signal(signal.SIGTERM, lambda *_: ending.append(1))
start = told = due = time.monotonic()
while True:
    now = time.monotonic()
    if now > told + 0.25:
        tell()
        told = now
    # what could not be begun in time is not made up for in a burst
    due = max(due, now - 0.2)
    while due < now and not ending:
        due += 1 / rate
        j = Join(stat['joins'], now)
        waiting[j.callid] = j
        stat['joins'] += 1
    while later and later[0][0] <= now:
        j = later.pop(0)[1]
        j.begin(now)
        waiting[j.callid] = j
    for j in list(waiting.values()):
        if now > j.sent + GIVE_UP:
            refused(j, now)
        elif now > j.again:
            j.send(now)
    if ending and not waiting and not later:
        break
    if select.select([sock], [], [], 0.01)[0]:
        try:
            while True:
                data, src = sock.recvfrom(65535)
                if data.startswith(b'SIP/2.0 '):
                    response(data.decode(), src, time.monotonic())
        except BlockingIOError:
            pass

tell()
