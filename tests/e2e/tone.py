#!/usr/bin/env python3
"""Makes WAV files of one tone, and measures tones in WAV files.

    tone.py make FILE HZ SECONDS [RATE [CHANNELS]]
    tone.py heard DIR HZ           prints two numbers, in tenths of a second:
                                   how much of DIR/dump-*-dec.wav has the tone
                                   above -34 dBFS, and how much there is; but
                                   not what lies before the sizes in DIR/mark
"""
import glob
import math
import os
import struct
import sys
import wave


def make(name, hz, seconds, rate=48000, channels=1):
    with wave.open(name, "wb") as f:
        f.setnchannels(channels)
        f.setsampwidth(2)
        f.setframerate(rate)
        one = [int(8000 * math.sin(2 * math.pi * hz * (i // channels) / rate))
               for i in range(rate * channels)]
        f.writeframes(struct.pack("<%dh" % len(one), *one) * seconds)


def goertzel(x, hz, rate):
    w = 2 * math.cos(2 * math.pi * hz / rate)
    a = b = 0.0
    for v in x:
        a, b = v + w * a - b, a
    power = max(a * a + b * b - w * a * b, 1e-9)
    return 2 * math.sqrt(power) / len(x)


def samples(name, start):
    """The first channel from a place in the file on, and its rate. The phone
    may still be writing: what its header says of lengths is not final."""
    with open(name, "rb") as f:
        data = f.read()
    rate, ch, at = 0, 1, 12
    while at + 8 <= len(data):
        kind, n = struct.unpack_from("<4sI", data, at)
        at += 8
        if kind == b"fmt ":
            ch, rate = struct.unpack_from("<HI", data, at + 2)
        elif kind == b"data":
            break
        at += n
    if not rate or at >= len(data):
        return [], 8000
    frame = 2 * ch
    at += max(start - at, 0) // frame * frame
    n = max(len(data) - at, 0) // frame
    return struct.unpack_from("<%dh" % (n * ch), data, at)[::ch], rate


def heard(path, hz):
    marks, there, total = {}, 0, 0
    try:
        with open(os.path.join(path, "mark")) as f:
            marks = dict(line.rsplit(" ", 1) for line in f)
    except OSError:
        pass
    for name in glob.glob(os.path.join(path, "dump-*-dec.wav")):
        x, rate = samples(name, int(marks.get(os.path.basename(name), 0)))
        step = rate // 10
        for i in range(0, len(x) - step + 1, step):
            total += 1
            there += goertzel(x[i:i + step], hz, rate) > 32768 * 0.02
    print(there, total)


if __name__ == "__main__":
    if sys.argv[1:2] == ["make"] and 5 <= len(sys.argv) <= 7:
        make(sys.argv[2], *map(int, sys.argv[3:]))
    elif sys.argv[1:2] == ["heard"] and len(sys.argv) == 4:
        heard(sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(__doc__)
