"""What os.environ has of MutableMapping, without `_collections_abc`: 25 abstract classes, half a millisecond."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class MutableMapping:
    """What is needed on the way to a backend; the rest is the real one's, asked for when it is called.

    isinstance() says that it is one: `mappings` in the build sees to that.
    """

    __slots__ = ()

    def __getitem__(self, key: str) -> str:
        """Be defined by who inherits."""
        raise KeyError(key)

    def get(self, key: str, default: "str | None" = None) -> "str | None":
        """Give a value, or another."""
        try:
            return self[key]
        except KeyError:
            return default

    def __contains__(self, key: str) -> bool:
        """Tell whether it is there."""
        try:
            self[key]
        except KeyError:
            return False
        return True

    __reversed__ = None


def _real(name: str) -> "Any":  # noqa: ANN401 - a method
    def call(*arguments: "Any", **more: "Any") -> "Any":  # noqa: ANN401 - whatever the real one takes and gives
        from _collections_abc import MutableMapping as Real

        return getattr(Real, name)(*arguments, **more)

    return call


for _name in ("__eq__", "keys", "items", "values", "pop", "popitem", "clear", "update"):
    setattr(MutableMapping, _name, _real(_name))
