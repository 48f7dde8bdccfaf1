"""Formulas as Python's own syntax trees: built, taken apart, and written by ``ast.unparse``.

What is built here is what a person would write: no factors of 1, no double signs, powers as
products. Nothing else is simplified, so that a formula is recognised in what becomes of it.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import TypeGuard

Formula = ast.expr

ZERO, ONE = ast.Constant(0.0), ast.Constant(1.0)


def name(of: str) -> ast.Name:
    """A name."""
    return ast.Name(of, ast.Load())  # without ctx Python before 3.13 cannot compile it


def number(value: float) -> Formula:
    """A number."""
    return ast.UnaryOp(ast.USub(), ast.Constant(-value)) if value < 0.0 else ast.Constant(value)


def text(formula: Formula) -> str:
    """The formula in Python."""
    return ast.unparse(formula)


def call(function: str, *arguments: Formula) -> Formula:
    """A call of a function."""
    return ast.Call(name(function), list(arguments), [])


def is_zero(formula: Formula) -> bool:
    """Whether it is the number 0."""
    return isinstance(formula, ast.Constant) and formula.value == 0.0


def is_where(formula: Formula) -> TypeGuard[ast.Call]:
    """Whether it is a choice of two."""
    return isinstance(formula, ast.Call) and text(formula.func) == "where"


def is_one(formula: Formula) -> bool:
    """Whether it is the number 1."""
    return isinstance(formula, ast.Constant) and formula.value == 1.0


def joins(formula: Formula, *operators: type[ast.operator]) -> TypeGuard[ast.BinOp]:
    """Whether it is two formulas with one of these operators between them."""
    return isinstance(formula, ast.BinOp) and isinstance(formula.op, operators)


def negative(a: Formula) -> Formula:
    """-a"""
    if is_zero(a):
        return a
    positive = _positive_part(a)
    if positive is not None:
        return positive
    if joins(a, ast.Sub):
        return ast.BinOp(a.right, ast.Sub(), a.left)
    return ast.UnaryOp(ast.USub(), a)


def _positive_part(a: Formula) -> Formula | None:
    """``b`` where ``a`` is -b, as a sign before it or before the first of its factors."""
    if isinstance(a, ast.UnaryOp) and isinstance(a.op, ast.USub):
        return a.operand
    if joins(a, ast.Mult, ast.Div):
        left = _positive_part(a.left)
        return None if left is None else ast.BinOp(left, a.op, a.right)
    return None


def inverted(a: Formula) -> Formula | None:
    """``b`` where ``a`` is 1 / b."""
    return a.right if joins(a, ast.Div) and is_one(a.left) else None


def add(a: Formula, b: Formula) -> Formula:
    """a + b"""
    if is_zero(a) or is_zero(b):
        return b if is_zero(a) else a
    of_b = _positive_part(b)
    return ast.BinOp(a, ast.Add(), b) if of_b is None else subtract(a, of_b)


def subtract(a: Formula, b: Formula) -> Formula:
    """a - b"""
    if is_zero(b):
        return a
    if is_zero(a):
        return negative(b)
    of_a, of_b = _positive_part(a), _positive_part(b)
    if of_b is not None:
        return add(a, of_b)
    if of_a is not None and not isinstance(of_a, ast.Constant):
        return negative(add(of_a, b))
    return ast.BinOp(a, ast.Sub(), b)


def multiply(a: Formula, b: Formula) -> Formula:
    """a b"""
    if is_zero(a) or is_zero(b):
        return ZERO
    if is_one(a) or is_one(b):
        return b if is_one(a) else a
    if is_one(negative(a)):
        return negative(b)
    of_b = _positive_part(b)
    if of_b is not None:
        return negative(multiply(a, of_b))
    below = inverted(b)
    if below is not None:
        return divide(a, below)
    return ast.BinOp(a, ast.Mult(), b)


def divide(a: Formula, b: Formula) -> Formula:
    """a / b"""
    if is_zero(a) or is_one(b):
        return a
    below = inverted(b)
    if below is not None:
        return multiply(a, below)
    return ast.BinOp(a, ast.Div(), b)


def product(factors: Iterable[Formula]) -> Formula:
    """The product of any number of factors."""
    result: Formula = ONE
    for factor in factors:
        result = multiply(result, factor)
    return result


def names_in(formula: ast.AST) -> list[str]:
    """Names of variables, in the order in which they first come; those of functions left out."""
    called = {id(n.func) for n in ast.walk(formula) if isinstance(n, ast.Call)}
    found = [n for n in ast.walk(formula) if isinstance(n, ast.Name) and id(n) not in called]
    return list(dict.fromkeys(n.id for n in found))


def functions_in(formula: ast.AST) -> set[str]:
    """Names of the functions that are called."""
    calls = (n.func for n in ast.walk(formula) if isinstance(n, ast.Call))
    return {f.id for f in calls if isinstance(f, ast.Name)}


class _Renaming(ast.NodeTransformer):
    def __init__(self, by: Mapping[str, Formula]) -> None:
        self.by = by

    def visit_Name(self, node: ast.Name) -> ast.expr:  # noqa: N802
        return self.by.get(node.id, node)


def replaced(formula: Formula, by: Mapping[str, Formula]) -> Formula:
    """The formula with others in the place of names."""
    result: Formula = _Renaming(by).visit(deepcopy(formula))
    return result


def value_of(formula: Formula, known: Mapping[str, float]) -> float | None:
    """What it comes to where it is made of numbers and ``known`` names alone."""
    functions = {"exp": math.exp, "log": math.log, "absolute": abs}
    try:
        code = compile(ast.fix_missing_locations(ast.Expression(formula)), "formula", "eval")
        return float(eval(code, {"__builtins__": {}}, {**functions, **known}))
    except (NameError, ArithmeticError, ValueError, TypeError):
        return None


def where(condition: Formula, a: Formula, b: Formula) -> Formula:
    """``a`` where a condition holds, else ``b``; those of vectors have no ``and`` and ``or``."""
    if text(a) == text(b):
        return a
    if isinstance(condition, ast.BoolOp):
        first, *rest = condition.values
        others = rest[0] if len(rest) == 1 else ast.BoolOp(condition.op, rest)
        if isinstance(condition.op, ast.And):
            return where(first, where(others, a, b), b)
        return where(first, a, where(others, a, b))
    if isinstance(condition, ast.UnaryOp):  # not
        return where(condition.operand, b, a)
    assert isinstance(condition, ast.Compare)
    if isinstance(condition.ops[0], ast.NotEq):
        return where(ast.Compare(condition.left, [ast.Eq()], condition.comparators), b, a)
    if isinstance(condition.ops[0], ast.Eq):  # vectors have none
        away = call("absolute", subtract(condition.left, condition.comparators[0]))
        condition = ast.Compare(away, [ast.LtE()], [ZERO])
    return call("where", condition, a, b)


class NotLinear(Exception):
    """A formula is not linear in what was asked for."""


def linear(formula: Formula, unknowns: list[str]) -> tuple[Formula, dict[str, Formula]]:
    """What is free of the unknowns, and the factor of each that is in the formula.

    Raises
    ------
    NotLinear : there are other terms.
    """
    if not set(names_in(formula)) & set(unknowns):
        return formula, {}
    if isinstance(formula, ast.Name):
        return ZERO, {formula.id: ONE}
    if isinstance(formula, ast.UnaryOp):
        free, of = linear(formula.operand, unknowns)
        return negative(free), {u: negative(f) for u, f in of.items()}
    if not isinstance(formula, ast.BinOp):
        raise NotLinear
    left, of_left = linear(formula.left, unknowns)
    right, of_right = linear(formula.right, unknowns)
    if isinstance(formula.op, (ast.Add, ast.Sub)):
        combine = add if isinstance(formula.op, ast.Add) else subtract
        both = dict.fromkeys([*of_left, *of_right])
        return combine(left, right), {
            u: combine(of_left.get(u, ZERO), of_right.get(u, ZERO)) for u in both
        }
    if isinstance(formula.op, ast.Mult) and not (of_left and of_right):
        if of_left:
            return multiply(left, right), {u: multiply(f, right) for u, f in of_left.items()}
        return multiply(left, right), {u: multiply(left, f) for u, f in of_right.items()}
    if isinstance(formula.op, ast.Div) and not of_right:
        return divide(left, right), {u: divide(f, right) for u, f in of_left.items()}
    raise NotLinear


def without_factor(formula: Formula, factor: str) -> Formula | None:
    """The formula without one of the factors of its product, None where it has none such."""
    if text(formula) == factor:
        return ONE
    if isinstance(formula, ast.UnaryOp) and isinstance(formula.op, ast.USub):
        rest = without_factor(formula.operand, factor)
        return None if rest is None else negative(rest)
    if joins(formula, ast.Mult):
        rest = without_factor(formula.right, factor)
        if rest is not None:
            return multiply(formula.left, rest)
        rest = without_factor(formula.left, factor)
        return None if rest is None else multiply(rest, formula.right)
    if joins(formula, ast.Div):
        rest = without_factor(formula.left, factor)
        return None if rest is None else divide(rest, formula.right)
    return None
