"""A page of a headless Chromium, driven through its DevTools protocol.

DEVTOOLS in the environment names the address of a browser that is running already; else one on the path is started.
"""

import asyncio
import json
import os
import shutil
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from tornado.websocket import websocket_connect

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
RUNNING = os.environ.get("DEVTOOLS")


class Page:
    """One page; `requests` and `errors` are what it asked for and complained of since it was last opened."""

    def __init__(self, socket, loop):
        self.socket, self.loop, self.number = socket, loop, 0
        self.requests, self.errors, self.loaded = [], [], False

    def call(self, method, **parameters):
        """The result of a command."""
        return self.loop.run_until_complete(self._call(method, parameters))

    async def _call(self, method, parameters):
        self.number += 1
        await self.socket.write_message(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            message = json.loads(await asyncio.wait_for(self.socket.read_message(), 60))
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def _note(self, message):
        name, given = message.get("method"), message.get("params", {})
        if name == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])
        elif name == "Page.loadEventFired":
            self.loaded = True
        elif name == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(given["exceptionDetails"])[:300])
        elif name == "Log.entryAdded" and given["entry"]["level"] == "error":
            self.errors.append(f"{given['entry']['text']} {given['entry'].get('url', '')}")
        elif name == "Runtime.consoleAPICalled" and given["type"] in ("error", "assert"):
            self.errors.append(json.dumps(given["args"])[:300])

    def open(self, url):
        """Go to an address and wait until it is loaded."""
        self.requests, self.errors, self.loaded = [], [], False
        self.call("Page.navigate", url=url)
        self.until(lambda: self.loaded)

    def until(self, done, seconds=60):
        """Wait for a condition."""
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, "the page did not come to rest"
            # Events are read while a command waits for its answer.
            self.call("Runtime.evaluate", expression="0")
            time.sleep(0.02)

    def value(self, expression):
        """The value of an expression, awaited."""
        found = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def width(self, pixels):
        """The width of the window."""
        self.call("Emulation.setDeviceMetricsOverride", width=pixels, height=900, deviceScaleFactor=1, mobile=False)


@contextmanager
def page(folder: Path):
    """A page of the browser that is running, or of one started with its profile in `folder`."""
    process, address = None, RUNNING
    if address is None:
        flags = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--remote-debugging-port=0",
            "--remote-allow-origins=*",
        ]
        process = subprocess.Popen(
            [BROWSER, *flags, f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        address = _address(folder / "DevToolsActivePort")
    loop = asyncio.new_event_loop()
    try:
        with urllib.request.urlopen(f"{address}/json") as answer:
            target = next(each for each in json.load(answer) if each["type"] == "page")
        socket = loop.run_until_complete(_connected(target["webSocketDebuggerUrl"]))
        opened = Page(socket, loop)
        for domain in ("Page", "Network", "Runtime", "Log"):
            opened.call(f"{domain}.enable")
        yield opened
        socket.close()
    finally:
        loop.close()
        if process is not None:
            process.terminate()
            process.wait()


async def _connected(url):
    # Called inside the loop, whose socket it then is.
    return await websocket_connect(url, max_message_size=2**30)


def _address(file):
    for _ in range(300):
        if file.exists() and (lines := file.read_text().splitlines()):
            return f"http://127.0.0.1:{lines[0]}"
        time.sleep(0.1)
    raise AssertionError("the browser did not start")
