"""The program that the tests run at a terminal: ``python -I -S terminal_player.py NAME [ORDER ...]``.

It speaks on descriptor 9, one line at a time, each beginning with its NAME: ``ready PID`` when its handlers stand,
``got N`` for each signal of ``catch`` that arrives. It then carries out its ORDERs, and after them those that come
on descriptor 8, one a line. The terminal itself is left to what is tested: nothing is written to it but by ``write``.

``catch N ...``  from now on, say each signal N (and FENCE, the last one) instead of having its default action
``read``         read a line from descriptor 0: ``line TEXT``, or ``line-error ERRNO``
``tty``          the same from /dev/tty
``write TEXT``   write to descriptor 1, then ``wrote``
``where``        ``where PGRP SESSION FOREGROUND``
``setsid``       ``setsid ERRNO`` (0: it worked)
``signal N``     send itself signal N
``obey``         leave the arguments, obey descriptor 8 (the default after the last)
``exit N``       exit
"""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
from typing import NoReturn

ORDERS, VOICE = 8, 9
LIFETIME = 600  # in case the test that started it is gone
FENCE = int(signal.SIGRTMAX)  # of several pending signals the lowest is delivered first


class Player:
    """One process at the terminal."""

    def __init__(self, name: str) -> None:
        """Take default dispositions, but keep what was inherited as ignored."""
        self.name = name
        self.rung, ring = os.pipe()
        os.set_blocking(self.rung, False)
        os.set_blocking(ring, False)
        signal.set_wakeup_fd(ring, warn_on_full_buffer=False)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        self._catch(FENCE)

    def say(self, *words: object) -> None:
        """One line to the test; written in one piece (pipe(7), PIPE_BUF)."""
        os.write(VOICE, (" ".join(map(str, (self.name, *words))) + "\n").encode())

    def _catch(self, number: int) -> None:
        signal.signal(number, self._note)

    def _note(self, _number: int, _frame: object) -> None:
        """Say what arrived: one byte for each delivery, also where CPython calls the handler once for two."""
        try:
            for number in os.read(self.rung, 512):
                self.say("got", number)
        except BlockingIOError:
            pass  # said already

    def _read(self, path: str | None) -> None:
        try:
            descriptor = 0 if path is None else os.open(path, os.O_RDONLY)
            self.say("line", os.read(descriptor, 512).decode().rstrip("\n"))
        except OSError as error:
            self.say("line-error", error.errno)

    def obey(self, order: str) -> None:
        """Carry out one order."""
        verb, *words = order.split()
        if verb == "catch":
            for word in words:
                self._catch(int(word))
        elif verb == "read":
            self._read(None)
        elif verb == "tty":
            self._read("/dev/tty")
        elif verb == "write":
            os.write(1, (" ".join(words) + "\n").encode())
            self.say("wrote")
        elif verb == "where":
            self.say("where", os.getpgrp(), os.getsid(0), self._foreground())
        elif verb == "setsid":
            self.say("setsid", self._setsid())
        elif verb == "signal":
            os.kill(os.getpid(), int(words[0]))
        elif verb == "exit":
            os._exit(int(words[0]))

    def _foreground(self) -> int:
        try:
            descriptor = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
        except OSError:
            return 0
        try:
            return os.tcgetpgrp(descriptor)
        finally:
            os.close(descriptor)

    def _setsid(self) -> int:
        try:
            os.setsid()
        except OSError as error:
            return error.errno or errno.EPERM
        return 0

    def play(self, orders: list[str]) -> NoReturn:
        """Live until told to exit, or until nobody is left who could tell."""
        signal.alarm(LIFETIME)
        early = [order for order in orders if order.startswith("catch ")]
        for order in early:
            self.obey(order)
        self.say("ready", os.getpid())
        for order in orders:
            if order == "obey":
                break
            if order not in early:
                self.obey(order)
        poll = select.poll()  # on the ring as well: a signal just before a blocking call would go unnoticed
        poll.register(self.rung, select.POLLIN)
        poll.register(ORDERS, select.POLLIN)
        rest = b""
        while True:
            if ORDERS not in (descriptor for descriptor, _event in poll.poll()):
                continue
            data = os.read(ORDERS, 512)
            if not data:
                os._exit(0)
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self.obey(line.decode())


if __name__ == "__main__":
    Player(sys.argv[1]).play(sys.argv[2:])
