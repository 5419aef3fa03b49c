"""Where Python begins in the one file: the modules on the way to a backend, a group at a time.

To find, read and make them one by one costs as much as what they do. The groups are those of scripts/straight.d; the
build puts each into one code object, as its only constant.
"""

import gc
import sys
from _frozen_importlib import ModuleSpec
from _imp import get_frozen_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
else:
    ModuleType = type(sys)

#: A name of a group begins with this; the trigger, whose import brings the group, follows.
PREFIX = "_group "
TRIGGERS = {"pdwrap.fork_mode", "pdwrap.exec_mode", "pdwrap.chain"}

#: A module in C inside a package, and the name that it is built in by: Python 3.11.2 finds none by its own.
BUILT_IN = {"psutil._psutil_linux": "_psutil_linux"}

#: The start makes some thousand objects that stay: not to be looked through five times for garbage.
gc.set_threshold(20000, 10, 10)


def carry_out(trigger: str) -> None:
    """Make the modules of a group."""
    for name, is_package, code in get_frozen_object(PREFIX + trigger).co_consts[0]:
        if name in sys.modules:
            continue
        module = ModuleType(name)
        parent, _, own = name.rpartition(".")
        module.__package__ = name if is_package else parent
        if is_package:
            module.__path__ = []
        sys.modules[name] = module
        try:
            exec(code, module.__dict__)  # noqa: S102 - frozen in this file
        except BaseException:
            del sys.modules[name]
            raise
        if parent:
            setattr(sys.modules[parent], own, module)


class Finder:
    """Carries out a group when its trigger is imported."""

    @staticmethod
    def find_spec(
        name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """Know the triggers, and what is built in."""
        if name in BUILT_IN:
            sys.modules[name] = __import__(BUILT_IN[name])
            return ModuleSpec(name, Finder)  # type: ignore[arg-type]
        if name not in TRIGGERS:
            return None
        TRIGGERS.remove(name)
        carry_out(name)
        return ModuleSpec(name, Finder, is_package=hasattr(sys.modules[name], "__path__"))  # type: ignore[arg-type]

    @staticmethod
    def create_module(spec: ModuleSpec) -> "ModuleType | None":
        """It is there."""
        return sys.modules[spec.name]

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """It was carried out."""


sys.meta_path.insert(0, Finder)
carry_out("pdwrap")
