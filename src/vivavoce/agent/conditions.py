"""Conditions over slots: `day and time`, `size > 8`, `not confirmed`, `service == 'cut'`.

The syntax is Python's; a name alone holds where its slot is filled, and with a yes where it is a yes or no. What has no
value is neither more nor less nor equal.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, time
from functools import cache
from typing import Any

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_WORDS = {"yes": True, "no": False}

SlotValue = str | float | bool | date | time


@dataclass(frozen=True, slots=True)
class Condition:
    """`slots` are those that it looks at, `sure` those that are filled wherever it holds."""

    text: str
    slots: frozenset[str]
    sure: frozenset[str]

    @classmethod
    def of(cls, text: str) -> Condition:
        """Raises ValueError for what is no condition."""
        tree = _parsed(text)
        return cls(ast.unparse(tree), frozenset(_slots(tree)), _sure(tree))

    def holds(self, values: Mapping[str, SlotValue]) -> bool:
        return _holds(_parsed(self.text), values)

    def __str__(self) -> str:
        return self.text


@cache
def _parsed(text: str) -> ast.expr:
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"{text!r} is no condition: {error.msg}") from error
    _check(tree, text)
    return tree


def _check(tree: ast.expr, text: str) -> None:
    match tree:
        case ast.BoolOp(values=values):
            for value in values:
                _check(value, text)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            _check(operand, text)
        case ast.Compare(left=ast.Name(), ops=[op], comparators=[other]) if type(op) in _COMPARE:
            if not _is_value(other):
                raise ValueError(f"{text!r}: a slot is compared with a number, a text, yes or no")
        case ast.Name(id=name) if name not in _WORDS:
            pass
        case _:
            raise ValueError(f"{text!r}: {ast.unparse(tree)} is neither a slot nor a comparison of one")


def _is_value(tree: ast.expr) -> bool:
    match tree:
        case ast.Constant(value=str() | int() | float()):
            return True
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float())):
            return True
        case ast.Name(id=name):
            return name in _WORDS
    return False


def _value(tree: ast.expr) -> SlotValue:
    value: SlotValue = _WORDS[tree.id] if isinstance(tree, ast.Name) else ast.literal_eval(tree)
    return value


def _slots(tree: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id not in _WORDS}


def _sure(tree: ast.expr) -> frozenset[str]:
    match tree:
        case ast.BoolOp(op=ast.And(), values=values):
            return frozenset().union(*map(_sure, values))
        case ast.BoolOp(values=values):
            return frozenset.intersection(*map(_sure, values))
        case ast.Compare(left=ast.Name(id=name)) | ast.Name(id=name):
            return frozenset([name])
    return frozenset()


def _holds(tree: ast.expr, values: Mapping[str, SlotValue]) -> bool:
    match tree:
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_holds(part, values) for part in parts)
        case ast.BoolOp(values=parts):
            return any(_holds(part, values) for part in parts)
        case ast.UnaryOp(operand=operand):
            return not _holds(operand, values)
        case ast.Name(id=name):
            return values.get(name) not in (None, False)
        case ast.Compare(left=ast.Name(id=name), ops=[op], comparators=[other]):
            return name in values and _compared(op, values[name], _value(other))
    raise AssertionError(f"{ast.unparse(tree)} was checked")


def _compared(op: ast.cmpop, value: SlotValue, other: SlotValue) -> bool:
    if isinstance(value, date | time) and isinstance(other, str):
        value = value.isoformat()
    if isinstance(value, str) != isinstance(other, str):
        return isinstance(op, ast.NotEq)
    return _COMPARE[type(op)](value, other)
