"""Amounts of CPU, memory and storage, compared by value as the Kubernetes client of the operator does. Pure."""

import re
from decimal import Decimal, InvalidOperation

_DECIMAL = {"": 0, "n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_UNIT = re.compile(r"[numkKMGTPEi]|[eE]")
_EXPONENT = re.compile(r"[eE]([-+]?\d+)")


class BadQuantity(ValueError):
    """No amount: comparing it is an error of the operator's."""


class Quantity:
    """An amount as it is written. Two that are written otherwise are equal when their values are.

    >>> Quantity("0.5") == Quantity("500m"), Quantity("1Gi") == Quantity("1024Mi"), Quantity("1") == Quantity("2")
    (True, True, False)

    Comparing raises BadQuantity when either is no amount.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return f"Quantity({self.text!r})"

    @property
    def value(self) -> Decimal:
        """In units or bytes. Raises BadQuantity."""
        unit = _UNIT.search(self.text)
        at = unit.start() if unit else len(self.text)
        amount, suffix = self.text[:at], self.text[at:]
        try:
            if not re.fullmatch(r"[-+]?(\d++(?:\.\d*+)?|\.\d++)", amount):
                raise InvalidOperation
            number = Decimal(amount)
        except InvalidOperation:
            raise BadQuantity(f"{self.text!r} is no amount: {amount!r} is not a number") from None
        if (power := _EXPONENT.fullmatch(suffix)) is not None:
            return number.scaleb(int(power[1]))
        if suffix in _BINARY:
            return number * Decimal(2 ** _BINARY[suffix])
        if suffix in _DECIMAL:
            return number.scaleb(_DECIMAL[suffix])
        raise BadQuantity(f"{self.text!r} is no amount: {suffix!r} is no unit")
