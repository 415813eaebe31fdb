#!/usr/bin/env python3
"""Makes WAV files of one tone, and measures tones in WAV files.

    tone.py make FILE HZ SECONDS [RATE [CHANNELS]]
    tone.py level FILE HZ          prints the level [dBFS], a sine of full
                                   scale being 0: the median over the second
                                   half of the file, in steps of 200 ms
"""
import math
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


def level(name, hz):
    with wave.open(name, "rb") as f:
        rate, ch, n = f.getframerate(), f.getnchannels(), f.getnframes()
        if f.getsampwidth() != 2 or n < rate:
            sys.exit("%s: shorter than a second" % name)
        data = f.readframes(n)
    n = len(data) // 2 // ch         # phones that are killed leave less
    x = struct.unpack("<%dh" % (n * ch), data[:2 * n * ch])[::ch]
    step = rate // 5
    levels = sorted(goertzel(x[i:i + step], hz, rate)
                    for i in range(n // 2, n - step, step))
    mid = levels[len(levels) // 2] / 32768
    print("%.1f" % (20 * math.log10(max(mid, 1e-6))))


if __name__ == "__main__":
    if sys.argv[1:2] == ["make"] and 5 <= len(sys.argv) <= 7:
        make(sys.argv[2], *map(int, sys.argv[3:]))
    elif sys.argv[1:2] == ["level"] and len(sys.argv) == 4:
        level(sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(__doc__)
