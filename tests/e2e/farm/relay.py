#!/usr/bin/env python3
"""relay.py LISTEN TARGET MS: a TCP relay that is slow

Whatever comes in on LISTEN (HOST:PORT) goes to TARGET, and back, in order and
MS milliseconds late each way. Prints a line when it listens."""
import asyncio
import sys


async def late(queue, writer):
    loop = asyncio.get_running_loop()
    try:
        while True:
            due, data = await queue.get()
            await asyncio.sleep(max(0, due - loop.time()))
            if not data:
                break
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()


async def pump(reader, writer, delay):
    # what is on its way is bounded, like a cable that is long
    queue = asyncio.Queue(4096)
    loop = asyncio.get_running_loop()
    sender = loop.create_task(late(queue, writer))
    data = b"?"
    while data and not sender.done():
        try:
            data = await reader.read(65536)
        except OSError:
            data = b""
        await queue.put((loop.time() + delay, data))
    await sender


async def main():
    listen, target = (a.rsplit(":", 1) for a in sys.argv[1:3])
    delay = int(sys.argv[3]) / 1000

    async def client(reader, writer):
        try:
            r, w = await asyncio.open_connection(*target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pump(reader, w, delay), pump(r, writer, delay))

    server = await asyncio.start_server(client, *listen)
    print("listening", flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(main())
