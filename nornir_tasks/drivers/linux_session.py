"""One SSH connection to a linux device, and the conversation with netdr-device over it."""

from __future__ import annotations

import json
import select
import shlex
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import paramiko
from napalm.base.exceptions import (
    CommandTimeoutException,
    ConnectAuthError,
    ConnectionClosedException,
    ConnectionException,
    ConnectTimeoutError,
    UnsupportedVersion,
)

from nornir_tasks.drivers import linux_device

PROGRAM = "/usr/local/sbin/netdr-device"
# Seconds between our signs of life, and for how long the other end may leave them unacknowledged, or itself give none
# while it is at work: a device that has lost its power is known to be gone in seconds, not when an answer is overdue.
_KEEPALIVE, _SILENCE = 2, 8.0
# Seconds for the connection itself; the rest of a login takes its time on a machine that is busy.
_CONNECT = 8.0
_INSTALL = (
    "install it: ssh -t ACCOUNT@{host} 'sudo install -m 0755 /dev/stdin " + PROGRAM + "'"
    " < nornir_tasks/drivers/linux_device.py (in the lab: netdr lab down, netdr lab up)"
)


@dataclass(frozen=True)
class Endpoint:
    """Where a device is and how to log in. ``known_hosts`` has its pinned key: any other is refused."""

    host: str
    account: str
    port: int
    known_hosts: str
    key_file: str
    timeout: float  # seconds for the connection and for each answer


class Refusal(Exception):  # noqa: N818 - an answer, not a fault of the conversation
    """What netdr-device refuses: the kind (``linux_device.KINDS``) and its own words, a line per problem."""

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(words)
        self.kind, self.words = kind, words


class Session:
    """A conversation with netdr-device. The connection is opened once and kept; the program is started when needed."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._client = paramiko.SSHClient()
        self._channel: paramiko.Channel | None = None
        self._unread = b""
        self._begun = False

    def open(self) -> None:
        """Connect, check the device's key and its program.

        Raise ConnectAuthError if the account is refused, ConnectTimeoutError if nobody answers, UnsupportedVersion if
        the device has another netdr-device than this netdr, ConnectionException for everything else.
        """
        at = self._endpoint
        self._client.set_missing_host_key_policy(paramiko.RejectPolicy())
        try:
            self._client.load_host_keys(at.known_hosts)
            self._client.connect(
                at.host, at.port, at.account, key_filename=at.key_file, look_for_keys=False, allow_agent=False,
                timeout=min(_CONNECT, at.timeout), banner_timeout=at.timeout, auth_timeout=at.timeout,
            )  # fmt: skip
        except paramiko.BadHostKeyException as error:
            words = f"{at.host} shows another host key than the one in {at.known_hosts}"
            raise ConnectionException(words) from error
        except paramiko.AuthenticationException as error:
            raise ConnectAuthError(f"{at.host} does not let {at.account} in with {at.key_file}: {error}") from error
        except TimeoutError as error:
            raise ConnectTimeoutError(
                f"{at.host} port {at.port}: no answer within {min(_CONNECT, at.timeout):g} s"
            ) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise ConnectionException(f"{at.host} port {at.port}: {error or type(error).__name__}") from error
        transport = self._client.get_transport()
        if transport:
            transport.set_keepalive(_KEEPALIVE)
            limit = int(_SILENCE * 1000)
            transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, limit)  # type: ignore[union-attr]
        self._check_program()

    def _check_program(self) -> None:
        ours = sha256(Path(linux_device.__file__).read_bytes()).hexdigest()
        theirs = self.ask("hello")["program"]
        if theirs != ours:
            self.close()
            words = (
                f"{self._endpoint.host} has another version of {PROGRAM} ({theirs[:12]}) than this netdr ({ours[:12]})"
            )
            raise UnsupportedVersion(f"{words}; {_INSTALL.format(host=self._endpoint.host)}")

    def close(self) -> None:
        """End the conversation and the connection. What is pending on the device stays pending."""
        self._hang_up()
        self._client.close()

    def alive(self) -> bool:
        """Return whether the connection stands, as far as this end knows."""
        transport = self._client.get_transport()
        return transport is not None and transport.is_active()

    def ask(self, verb: str, **arguments: object) -> Mapping[str, Any]:
        """Return netdr-device's answer to a request.

        Raise Refusal with its own words, CommandTimeoutException if it takes too long, ConnectionClosedException if it
        or the connection ends: what was asked may then have been done.
        """
        try:
            channel = self._channel or self._start()
            channel.sendall(json.dumps({"verb": verb, **arguments}).encode() + b"\n")
            reply = json.loads(self._answer(channel))
        except TimeoutError:
            self._hang_up()
            words = f"{self._endpoint.host}: no answer to '{verb}', and no sign that it is at work on it"
            raise CommandTimeoutException(words) from None
        except (paramiko.SSHException, OSError, EOFError, ValueError) as error:
            words = f"{self._endpoint.host}: {PROGRAM} ended during '{verb}': {self._last_words() or error}"
            self._hang_up()
            raise ConnectionClosedException(words) from error
        if "error" in reply:
            problems = [str(linux_device.Problem(**problem)) for problem in reply["error"]["problems"]]
            raise Refusal(reply["error"]["kind"], "\n".join(problems))
        answer: Mapping[str, Any] = reply
        return answer

    def run(self, command: str) -> str:
        """Return what a command prints, on both streams, run by the account's own shell without privileges.

        Raise CommandTimeoutException if it takes too long, ConnectionClosedException if the connection ends.
        """
        try:
            channel = self._exec(command)
            channel.set_combine_stderr(combine=True)
            with channel.makefile("rb") as stream:
                return bytes(stream.read()).decode(errors="replace")
        except TimeoutError:
            words = f"{self._endpoint.host}: {shlex.split(command)[0]} takes longer than {self._endpoint.timeout:g} s"
            raise CommandTimeoutException(words) from None
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise ConnectionClosedException(f"{self._endpoint.host}: {error}") from error

    def _start(self) -> paramiko.Channel:
        self._channel, self._unread, self._begun = self._exec(f"sudo -n {PROGRAM} session"), b"", False
        return self._channel

    def _exec(self, command: str) -> paramiko.Channel:
        transport = self._client.get_transport()
        if transport is None:
            raise EOFError("the connection is closed")
        channel = transport.open_session(timeout=self._endpoint.timeout)
        channel.settimeout(self._endpoint.timeout)
        channel.exec_command(command)
        return channel

    def _answer(self, channel: paramiko.Channel) -> bytes:
        """Return the next line that is not empty. Raise TimeoutError if it takes too long, or nothing comes at all.

        The program has the whole time for its first line: it has to be started.
        """
        deadline = time.monotonic() + self._endpoint.timeout
        channel.settimeout(min(_SILENCE, self._endpoint.timeout) if self._begun else self._endpoint.timeout)
        while time.monotonic() < deadline:
            if line := self._line(channel):
                self._begun = True
                return line
        raise TimeoutError

    def _line(self, channel: paramiko.Channel) -> bytes:
        arrivals = select.poll()
        arrivals.register(channel.fileno(), select.POLLIN)
        while b"\n" not in self._unread:
            # The channel's own limit goes by the time of day: a clock that is set would end it at once, or hours late.
            if not arrivals.poll(1000 * min(_SILENCE, self._endpoint.timeout)):
                raise TimeoutError
            received = channel.recv(1 << 16)
            if not received:
                raise EOFError("it said nothing")
            self._unread += received
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _last_words(self) -> str:
        if self._channel is None:
            return ""
        with suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.settimeout(1.0)
            return self._channel.recv_stderr(4096).decode(errors="replace").strip()
        return ""

    def _hang_up(self) -> None:
        if self._channel is not None:
            self._channel.close()
        self._channel = None
