"""Stays, and wraps what LocalAI installs or upgrades at once: `pdwrap-localai --follow PATH...`.

Every folder on the way to PATH is watched for the name by which the way goes on, so a folder that is removed and made
again, by whatever name above it, is found again; the folder of all is watched for folders, each of those for the files
that LocalAI starts. Watched first and looked at then: what changes in between is seen twice, not missed. Nothing is
held open while waiting: a folder that somebody holds is not reported as deleted (inotify(7)).

Ends when its launcher does. If this process dies, each backend is as it was, or done; what is upgraded afterwards is
plain, until it is started again.
"""

import os
import select
from collections.abc import Iterator, Sequence

from pdwrap.linux import pidfd
from pdwrap.localai import treat
from pdwrap.localai.backends import COMPANIONS, IN_TRANSIT, RUN, Place, opened
from pdwrap.localai.errors import Trouble, from_error, shown
from pdwrap.localai.inotify import (
    CREATE,
    DELETE_SELF,
    IGNORED,
    MODIFY_DONE,
    MOVE_SELF,
    MOVED_TO,
    OVERFLOW,
    Event,
    Inotify,
)
from pdwrap.localai.way import Way

#: Seconds from one look to the next, where something has to be looked for: a lock, or all of it without inotify.
PAUSE = 2.0
_WAY = CREATE | MOVED_TO | DELETE_SELF | MOVE_SELF
_BACKEND = CREATE | MOVED_TO | MODIFY_DONE
_OUTER = (0, 1)


def follow(paths: Sequence[str], task: treat.Task) -> int:
    """Wrap what is there, and from then on what appears or is replaced.

    Returns:
        The exit status, when the launcher has ended, or a person has ended this.

    """
    if _is_adopted():
        return 0  # nobody is left to follow anything for
    try:
        for _ in _Follower(paths, task).turns():
            pass
    except KeyboardInterrupt:
        pass
    return 0


def _is_adopted() -> bool:
    """Tell whether who started us was gone before we could look: who leads no session shares its parent's (setsid(2)).

    One that died earlier within its session leaves no sign: `pdwrap --parent PID -- pdwrap-localai --follow` is sure.
    """
    parent = os.getppid()
    try:
        return parent > 0 and os.getsid(0) not in (os.getpid(), os.getsid(parent))
    except ProcessLookupError:
        return True


class _Voice:
    """Says what is new: not a second time what stays wrong, and nothing of what was wrapped already."""

    def __init__(self, say: treat.Say) -> None:
        self._write = say
        self._wrong: set[str] = set()
        self.first = True

    def say(self, line: str, *, error: bool = False) -> None:
        """Write it, if it is new."""
        if error and line not in self._wrong:
            self._wrong.add(line)
        elif error or (not self.first and ": wrapped already" in line):
            return
        else:
            self._wrong = {each for each in self._wrong if not each.startswith(f"{line.partition(': ')[0]}: ")}
        self._write(line, error=error)


class _Follower:
    def __init__(self, paths: Sequence[str], task: treat.Task) -> None:
        self._paths = list(dict.fromkeys(paths))
        self._voice = _Voice(task.say)
        self._task = task._replace(say=self._voice.say)
        #: By watch: a name in that folder, or any (empty), and which path has to be gone again then.
        self._ways: dict[int, set[tuple[str, str]]] = {}
        #: By watch: the path in which that folder is a backend, and the backend's name.
        self._backends: dict[int, tuple[str, str]] = {}
        self._later: set[tuple[str, str]] = set()
        #: Paths that could not be gone to the end: nothing may tell when they can be (a folder's mode, a race).
        self._unsettled: set[str] = set()
        self._blind = False
        self._parent = os.getppid()
        try:
            self._inotify: Inotify | None = Inotify()
        except OSError as error:
            self._inotify = None
            self._go_blind(error)

    def turns(self) -> Iterator[None]:
        """Do what there is to do, again and again; each turn ends before the next wait."""
        launcher = pidfd.pidfd_open(self._parent) if self._parent not in _OUTER else None
        waiting = select.poll()
        for fd in (launcher, self._inotify.fd if self._inotify else None):
            if fd is not None:
                waiting.register(fd, select.POLLIN)
        unseen = self._parent not in _OUTER and launcher is None
        for path in self._paths:
            self._go(path)
        self._voice.first = False
        self._voice.say(f"following {' and '.join(map(shown, self._paths))}")
        while os.getppid() == self._parent:
            yield
            pause = PAUSE if self._blind or self._later or self._unsettled or unseen else None
            ready = waiting.poll(pause and pause * 1000)
            if any(fd == launcher for fd, _ in ready):
                return
            self._turn(looked=not ready)

    def _turn(self, *, looked: bool) -> None:
        """Deal with what was told; where nothing was in time, with what has to be looked for."""
        paths = dict.fromkeys((self._paths if self._blind else self._unsettled) if looked else ())
        backends = dict.fromkeys(self._later if looked else ())
        for event in self._inotify.events() if self._inotify else ():
            if event.mask & OVERFLOW:
                paths = dict.fromkeys(self._paths)
            paths.update(self._led_elsewhere(event))
            backends.update(self._changed(event))
            if event.mask & IGNORED:
                self._ways.pop(event.watch, None)
                self._backends.pop(event.watch, None)
        for path in paths:
            self._go(path)
        for path, name in backends:
            if path not in paths:
                self._look(path, name)

    def _led_elsewhere(self, event: Event) -> "dict[str, None]":
        """List the paths that may lead elsewhere after an event."""
        itself = event.mask & (DELETE_SELF | MOVE_SELF)
        return {path: None for path, name in self._ways.get(event.watch, ()) if itself or (name and name == event.name)}

    def _changed(self, event: Event) -> "dict[tuple[str, str], None]":
        """List the backends that an event is about."""
        found: dict[tuple[str, str], None] = {}
        if event.name and not event.name.endswith(IN_TRANSIT):
            found.update({(path, event.name): None for path, name in self._ways.get(event.watch, ()) if not name})
        inside = self._backends.get(event.watch)
        if inside and event.name in (RUN, *COMPANIONS, inside[1]):
            found[inside] = None
        return found

    def _go(self, path: str) -> None:
        """Watch the way to a path, and deal with all that is there."""
        self._unsettled.discard(path)
        for watched in self._ways.values():
            watched.difference_update([each for each in watched if each[0] == path])
        place = path if os.path.lexists(path) or ":" not in path else path.partition(":")[2]
        with Way() as way:
            try:
                way.go(place, lambda fd, name: self._watch_way(fd, path, name))
            except OSError:
                pass  # not there, or a file: the next look says which
        try:
            with opened(path, shared=self._task.shared) as found:
                self._watch_all(found, path)
            with opened(path, shared=self._task.shared) as found:  # listed after the watches stand, not before
                if not treat.all_of(found, path, self._task):
                    self._later_again(found, path)
        except (Trouble, OSError) as error:
            self._unsettled.add(path)
            self._voice.say(f"{shown(path)}: {from_error(error) if isinstance(error, OSError) else error}", error=True)

    def _look(self, path: str, name: str) -> None:
        """Deal with one backend."""
        self._later.discard((path, name))
        try:
            with opened(path, shared=self._task.shared, only=name) as found:
                self._watch_backend(found, path, name)
            with opened(path, shared=self._task.shared, only=name) as found:  # as in `_go`
                if not treat.all_of(found, path, self._task):
                    self._later_again(found, path)
        except (Trouble, OSError):
            self._go(path)  # it is the path that is gone, or not as it was

    def _later_again(self, found: Place, path: str) -> None:
        self._later |= {(path, target.folder or target.file) for target in found.locked}

    def _watch_all(self, found: Place, path: str) -> None:
        if found.whole:
            self._watch_way(found.folder.fd, path, "")
            for name in found.folder.folders():
                if not name.endswith(IN_TRANSIT):
                    self._watch_backend(found, path, name)
        else:
            for target in found.targets:
                self._watch_backend(found, path, target.folder or target.file)

    def _watch_backend(self, found: Place, path: str, name: str) -> None:
        """Watch the folder of a backend; of an external one, the folder that its file is in."""
        try:
            with found.folder.enter(name if found.is_folder(name) else ".") as folder:
                watch = self._add(folder.fd, _BACKEND)
        except OSError:
            return  # a link, or gone: nothing that LocalAI takes for a backend
        if watch is not None:
            self._backends[watch] = (path, name)

    def _watch_way(self, fd: int, path: str, name: str) -> None:
        watch = self._add(fd, _WAY)
        if watch is not None:
            self._ways.setdefault(watch, set()).add((path, name))

    def _add(self, fd: int, mask: int) -> int | None:
        if self._inotify is None:
            return None
        try:
            return self._inotify.add(fd, mask)
        except OSError as error:
            self._go_blind(error)
            return None

    def _go_blind(self, error: OSError) -> None:
        if not self._blind:
            self._blind = True
            self._voice.say(f"inotify: {error.strerror}: looking every {PAUSE:g} s instead", error=True)
