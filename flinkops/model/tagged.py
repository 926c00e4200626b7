"""Values that are told apart by a tag, of which any package may add kinds: steps, what they found, preconditions.

msgspec's own unions name all their members in one place; these are open, so that a back end can bring its own. Each
family is a plain base class; its members are structs with a tag. Encoding needs nothing; decoding is told which members
are known (:class:`Members`). What has another tag is kept as the family's unknown member.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec

UNREADABLE = (
    msgspec.DecodeError,
    UnicodeDecodeError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
)
"""What decoding and upgrading a document of any content may raise: a plan file, a line of the journal."""

T = TypeVar("T")
_working_out = threading.RLock()
_worked_out: set[type] = set()


def work_out(kind: type) -> None:
    """Let msgspec work this type out, before any thread reads one.

    It does so at the first use, and marks the type before it is done: a second thread that comes meanwhile ends the
    process (SIGSEGV, msgspec 0.22). A decoder of a module is safe, since modules are imported once.
    """
    if kind in _worked_out:
        return
    with _working_out:
        msgspec.json.Decoder(kind)
        _worked_out.add(kind)


class Family:
    """Base of the families. A family names the key of its tags and makes its unknown members."""

    __slots__ = ()

    TAG_KEY = "kind"

    @property
    def tag(self) -> str:
        """Of this member, as it is written down."""
        return str(tag_of(type(self)))

    @classmethod
    def unknown(cls, tag: str, fields: Mapping[str, Any]) -> "Family":
        """Stands for a member that this version does not know."""
        raise NotImplementedError


class Members:
    """The members of all families that a reader knows."""

    def __init__(self, members: Iterable[type[Family]]) -> None:
        self._by_family: dict[tuple[type[Family], str], type[Family]] = {}
        for member in members:
            for family in member.__mro__:
                if family is not Family and issubclass(family, Family) and not issubclass(family, msgspec.Struct):
                    self._by_family[(family, tag_of(member))] = member

    def hook(self, *, strict: bool = True) -> Callable[[type, Any], Any]:
        """For msgspec's `dec_hook`. Without `strict` numbers may be texts, as earlier versions wrote them."""

        def decode(kind: type, value: Any) -> Any:
            if not (isinstance(kind, type) and issubclass(kind, Family)):
                raise NotImplementedError(f"{kind} cannot be read")
            if not isinstance(value, Mapping) or not isinstance(tag := value.get(kind.TAG_KEY), str):
                raise msgspec.ValidationError(f"a {kind.__name__} without {kind.TAG_KEY!r}")
            member = self._by_family.get((kind, tag))
            if member is None:
                return kind.unknown(tag, value)
            work_out(member)
            return msgspec.convert(value, member, strict=strict, dec_hook=decode)

        return decode

    def convert(self, value: Any, kind: type[T], *, strict: bool = True) -> T:
        """Builtins to a value of this type. Raises msgspec.ValidationError."""
        work_out(kind)
        return msgspec.convert(value, kind, strict=strict, dec_hook=self.hook(strict=strict))


def tag_of(member: type) -> str:
    """The tag of a member's class."""
    return str(member.__struct_config__.tag)  # type: ignore[attr-defined]
