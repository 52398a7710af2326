"""Chromium as a process that is talked to over a pipe, and that ends with whatever may happen to this one.

    find_chromium ─> Chromium ─┬─ call(method) ─> answer        messages are JSON, each ended by a zero byte
                               ├─ events, in the order in which they come
                               └─ close: the process, all that it started, and its profile

Chromium reads file descriptor 3 and writes 4. It ends by itself when the pipe closes, so it does not outlive its
parent, whatever that dies of; a profile that is left behind is removed by the next start. While waiting, the time and
the memory of all its processes are watched.

Source: https://chromedevtools.github.io/devtools-protocol/ ; `--remote-debugging-pipe`.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from docgraph.errors import LimitError, RenderError

VARIABLE: Final = "DOCGRAPH_CHROMIUM"
"""Environment variable that names the program, where it is none of `NAMES`."""
NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
_PLACES: Final = (
    "/usr/lib/chromium/chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
_OPTIONS: Final = (
    "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--no-default-browser-check", "--mute-audio",
    "--hide-scrollbars", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-breakpad",
    "--disable-crash-reporter", "--no-pings", "--metrics-recording-only", "--force-color-profile=srgb",
    "--font-render-hinting=none", "--disable-features=IsolateOrigins,site-per-process,Translate,MediaRouter",
    # Requests are answered by `browser`; should one get past it, there is no name, no proxy and no peer for it.
    "--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=http://127.0.0.1:9", "--proxy-bypass-list=<-loopback>",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--js-flags=--max-old-space-size=512",
)  # fmt: skip
_PREFIX: Final = "docgraph-chromium-"
_STEP: Final = 0.25
"""Seconds between two looks at time and memory."""
_LONGEST: Final = 1_000_000_000
"""Bytes of one message."""
_LEAVING: Final = 5.0
"""Seconds that Chromium has to end by itself."""


def find_chromium() -> str:
    """Return the program: what DOCGRAPH_CHROMIUM names, or the first that is installed.

    Raises:
        RenderError: there is none; the message says how to install it.
    """
    if (named := os.environ.get(VARIABLE)) is not None:
        if shutil.which(named) is None:
            raise RenderError(f"{VARIABLE} must name a program, but is {named!r}.")
        return named
    for name in (*NAMES, *_PLACES):
        if (program := shutil.which(name)) is not None:
            return program
    raise RenderError(
        "rendering needs Chromium or Chrome, which is not installed: apt-get install chromium (Debian), "
        f"brew install --cask chromium (macOS), or name another with {VARIABLE}."
    )


def has_sandbox() -> bool:
    """Whether Chromium's own sandbox can run: not as root."""
    return not (hasattr(os, "geteuid") and os.geteuid() == 0)


class Chromium:
    """A running Chromium. Not to be shared by threads."""

    def __init__(self, *, memory: int, start_seconds: float) -> None:
        """Start it.

        Args:
            memory: bytes that all its processes may use together (looked at where there is /proc).

        Raises:
            RenderError: it is not installed, or does not start.
        """
        program = find_chromium()
        _remove_left_profiles()
        self.memory = memory
        self._profile = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        self._number = 0
        self._next_look = 0.0
        self._buffer = bytearray()
        self._events: deque[dict[str, Any]] = deque()
        their_in, self._out = os.pipe()
        self._in, their_out = os.pipe()
        os.set_blocking(self._in, False)
        command = [program, *_OPTIONS, *([] if has_sandbox() else ["--no-sandbox"]), f"--user-data-dir={self._profile}"]
        # A shell puts the pipe where Chromium looks for it: Python code between fork and exec is not safe in threads.
        put = 'exec "$@" 3<&0 4>&1 0</dev/null 1>/dev/null'
        try:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", put, "sh", *command],
                stdin=their_in,
                stdout=their_out,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, "HOME": str(self._profile), "LANGUAGE": "en", "LANG": "en_US.UTF-8"},
            )
        except OSError as error:
            self._remove()
            raise RenderError(f"Chromium must be a program that starts, but {error}.") from error
        finally:
            os.close(their_in)
            os.close(their_out)
        try:
            self.version: str = self.call("Browser.getVersion", deadline=time.monotonic() + start_seconds)["product"]
        except LimitError as error:
            self.close()
            raise RenderError(f"Chromium must answer within {start_seconds:g} s, but {program} does not.") from error
        except RenderError:
            self.close()
            raise

    @property
    def is_open(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    @property
    def group(self) -> int:
        """The process group, which is also the session, of all its processes."""
        return self._process.pid

    def call(
        self,
        method: str,
        parameters: dict[str, Any] | None = None,
        session: str | None = None,
        *,
        deadline: float,
        on_event: Callable[[dict[str, Any]], None] | None = None,
    ) -> dict[str, Any]:
        """Return Chromium's answer; events that come before it go to `on_event`, or wait for `events`.

        Raises:
            LimitError: the deadline (of `time.monotonic`) or the bound on memory has passed.
            RenderError: Chromium says that it cannot, or has gone.
        """
        number = self.send(method, parameters, session, deadline=deadline)
        while True:
            message = self._receive(deadline)
            if message.get("id") == number:
                if "error" in message:
                    raise RenderError(f"Chromium must do {method}, but says {message['error'].get('message')!r}.")
                result: dict[str, Any] = message["result"]
                return result
            if "method" in message:
                if on_event is None:
                    self._events.append(message)
                else:
                    on_event(message)

    def send(
        self, method: str, parameters: dict[str, Any] | None = None, session: str | None = None, *, deadline: float
    ) -> int:
        """Send a message without waiting for its answer; return its number."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters or {}}
        if session is not None:
            message["sessionId"] = session
        data = memoryview(json.dumps(message).encode() + b"\0")
        os.set_blocking(self._out, False)
        while data:
            _, ready, _ = select.select([], [self._out], [], _STEP)
            self._check(deadline)
            if ready:
                try:
                    data = data[os.write(self._out, data) :]
                except BlockingIOError:
                    continue
                except OSError as error:
                    raise RenderError("Chromium must be running, but has ended.") from error
        return self._number

    def events(self, deadline: float) -> Iterator[dict[str, Any]]:
        """Yield events as they come, those that came during calls first.

        Raises:
            LimitError, RenderError: as `call`.
        """
        while True:
            if self._events:
                yield self._events.popleft()
                continue
            message = self._receive(deadline)
            if "method" in message:
                yield message

    def close(self) -> None:
        """End all of its processes and remove the profile. May be called twice."""
        for end in (self._out, self._in):
            if end >= 0:
                os.close(end)
        self._out = self._in = -1
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_LEAVING if self._process.poll() is None else 0)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.group, signal.SIGKILL)
        self._process.wait()
        self._remove()

    def kill(self) -> None:
        """End it at once, as after a crash or a bound that was passed."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.group, signal.SIGKILL)
        self.close()

    def _remove(self) -> None:
        shutil.rmtree(self._profile, ignore_errors=True)

    def _receive(self, deadline: float) -> dict[str, Any]:
        searched = 0
        while (end := self._buffer.find(b"\0", searched)) < 0:
            searched = len(self._buffer)
            ready, _, _ = select.select([self._in], [], [], _STEP)
            self._check(deadline)
            if not ready:
                continue
            try:
                data = os.read(self._in, 1 << 20)
            except BlockingIOError:
                continue
            if not data:
                raise RenderError("Chromium must be running, but has ended.")
            self._buffer += data
            if len(self._buffer) > _LONGEST:
                raise LimitError(f"an answer of Chromium must have at most {_LONGEST} bytes, but one has more.")
        message: dict[str, Any] = json.loads(self._buffer[:end])
        del self._buffer[: end + 1]
        return message

    def _check(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise LimitError("the page took more time than Bounds.seconds gives it; raise it if the source is trusted.")
        if time.monotonic() < self._next_look:
            return
        used = memory_of(self.group)  # reads all of /proc: not for each of a thousand messages
        self._next_look = time.monotonic() + _STEP
        if used > self.memory:
            raise LimitError(f"the page took {used:,} bytes of memory, but Bounds.memory is {self.memory:,}.")


def memory_of(group: int) -> int:
    """Return the bytes that the processes of a group hold for themselves, 0 where there is no /proc."""
    total = 0
    for folder in _processes():
        try:
            fields = Path(folder, "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                _, resident, shared = Path(folder, "statm").read_text().split()[:3]
                total += (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, IndexError):
            continue
    return total


def _processes() -> Iterator[str]:
    try:
        names = os.listdir("/proc")
    except OSError:
        return
    yield from (f"/proc/{name}" for name in names if name.isdigit())


def _remove_left_profiles() -> None:
    """Remove the profiles of processes that were killed before they could."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        owner = folder.name[len(_PREFIX) :].partition("-")[0]
        if not owner.isdigit():
            continue
        try:
            os.kill(int(owner), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except (PermissionError, OverflowError):
            continue
