"""Whether a double can stand for what it doubles: what it has, the real one has too, and is called in the same way.

Without that, a test goes on proving something about a class that has become another one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from types import ModuleType

Shape = list[tuple[str, object, object]]


def assert_stands_in(double: object, real: type | ModuleType, own: Iterable[str] = ()) -> None:
    """Each public name of *double*, but for its *own* (for the test alone), is one of *real*'s, of the same shape."""
    own = set(own)
    names = {name for name in [*vars(type(double)), *vars(double)] if not name.startswith("_")}
    assert own <= names, f"not there: {own - names}"
    known = public_names(real)
    for name in sorted(names - own):
        assert name in known, f"{real.__name__} has no {name}: {type(double).__name__} stands in for it no more"
        mine, theirs = getattr(type(double), name, None), getattr(real, name, None)
        if inspect.isroutine(mine):
            assert callable(theirs), f"{real.__name__}.{name} is not called"
            assert_same_shape(mine, theirs)
        else:
            assert not inspect.isroutine(theirs), f"{real.__name__}.{name} is called"


def public_names(real: type | ModuleType) -> set[str]:
    """What an object of class *real*, or a module, has: methods, properties, slots, and what its methods assign."""
    if isinstance(real, ModuleType):
        return set(vars(real))
    found: set[str] = set()
    for each in real.__mro__[:-1]:
        found |= set(vars(each)) | set(inspect.get_annotations(each))
        found |= {name for method in vars(each).values() if inspect.isfunction(method) for name in assigned(method)}
    return found


def assigned(method: Callable[..., object]) -> set[str]:
    """The attributes that a method stores (`self.x = ...`)."""
    import dis

    return {each.argval for each in dis.get_instructions(method) if each.opname == "STORE_ATTR"}


def assert_same_shape(double: Callable[..., object], real: Callable[..., object]) -> None:
    """Both take the same arguments.

    One that the double does not use may begin with an underscore. One that has a default the double may lack: were it
    called with it, that would fail by itself.
    """
    mine = shape(double)
    theirs = [each for each in shape(real) if each in mine or each[2] is inspect.Parameter.empty]
    assert mine == theirs, f"{double.__qualname__} takes {mine}, {real.__qualname__} {theirs}"


def shape(function: Callable[..., object]) -> Shape:
    """Name, kind and default of each argument but the object itself."""
    try:
        arguments = inspect.signature(function).parameters.values()
    except ValueError:  # built in, and silent about it
        return []
    return [
        (each.name.lstrip("_"), each.kind, each.default)
        for each in arguments
        if each.name != "self"
    ]  # fmt: skip
