"""Straight-line texts on a GPU, without Numba's front end.

Numba takes some milliseconds for every operation of a text, which is half a minute for the tree of
a model. A text of arithmetic alone, one statement after another, needs nothing that takes so long:
it has no branches, all its numbers are of single precision, and rows are read and written at places
that are known. It is Python as all others are, and runs as such in the simulator; for a GPU it is
translated here, statement by statement, into the code of whatever calls it.
"""

from __future__ import annotations

import ast
import inspect
from types import FunctionType
from typing import Any

from isocortex.targets.cuda import SIMULATED, jit

if SIMULATED:

    def straight_line(function: FunctionType) -> Any:
        """A text, compiled into whatever calls it."""
        return jit(function)

else:
    from llvmlite import ir
    from numba.cuda import types
    from numba.cuda.extending import intrinsic

    FLOAT = ir.FloatType()
    OPERATIONS = {ast.Add: "fadd", ast.Sub: "fsub", ast.Mult: "fmul", ast.Div: "fdiv"}

    def straight_line(function: FunctionType) -> Any:
        """A text, compiled into whatever calls it.

        Its arguments are numbers, tuples of numbers, and arrays; it has assignments to names, and
        of a tuple to names, + - * /, ``load(array, 64)``, ``load_pair(array, 64)`` and
        ``store(array, 64, number)``, and may end by returning numbers, or tuples of them.
        """
        (text,) = ast.parse(inspect.getsource(function)).body
        assert isinstance(text, ast.FunctionDef)
        names = [argument.arg for argument in text.args.args]
        last = text.body[-1]
        returned = last.value if isinstance(last, ast.Return) else None

        def typed(typingctx, *kinds):
            def codegen(context, builder, sig, args):
                line = _Line(context, builder)
                for name, kind, value in zip(names, sig.args, args, strict=True):
                    line.take(name, kind, value)
                for statement in text.body[: None if returned is None else -1]:
                    line.follow(statement)
                if returned is None:
                    return context.get_dummy_value()
                return line.value(returned)

            return _kind(returned)(*kinds), codegen

        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        own = [inspect.Parameter(name, kind) for name in ("typingctx", *names)]
        typed.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]
        typed.__name__ = function.__name__
        return intrinsic(typed)

    def lane_of(builder: Any) -> Any:
        """The lane of this thread."""
        whole = ir.IntType(32)
        told = builder.module.declare_intrinsic(
            "llvm.nvvm.read.ptx.sreg.tid.x", (), ir.FunctionType(whole, ())
        )
        return builder.sext(builder.call(told, ()), ir.IntType(64))

    def _kind(returned: ast.expr | None) -> Any:
        """Numba's name of what is returned."""
        if returned is None:
            return types.void
        if isinstance(returned, ast.Tuple):
            return types.Tuple([_kind(part) for part in returned.elts])
        return types.float32

    def _is_call(word: str, node: ast.expr) -> bool:
        return isinstance(node, ast.Call) and ast.unparse(node.func) == word

    def _called(word: str, node: ast.expr) -> list[ast.expr]:
        """What a word is given; nothing else is called in a text."""
        if not _is_call(word, node):
            raise _foreign(node)
        return node.args  # type: ignore[attr-defined]

    def _foreign(node: ast.AST) -> SyntaxError:
        """What is left out silently would be missing in the results."""
        return SyntaxError(f"a straight line has no {type(node).__name__}: {ast.unparse(node)}")

    class _Line:
        """What the names of a text stand for, as its statements are followed."""

        def __init__(self, context: Any, builder: Any) -> None:
            self._context, self._builder = context, builder
            self._known: dict[str, Any] = {}
            self._lane = lane_of(builder)

        def take(self, name: str, kind: Any, value: Any) -> None:
            """An argument; of an array, where this thread's lane begins."""
            if isinstance(kind, types.Array):
                data = self._context.make_array(kind)(self._context, self._builder, value).data
                value = self._builder.gep(data, [self._lane])
            self._known[name] = value

        def follow(self, statement: ast.stmt) -> None:
            """One statement."""
            if isinstance(statement, ast.Assign):
                (target,) = statement.targets
                self._assign(target, statement.value)
            elif isinstance(statement, ast.Expr):
                array, index, value = _called("store", statement.value)
                self._builder.store(self.value(value), self._place(array, index))
            else:
                raise _foreign(statement)

        def _assign(self, target: ast.expr, expression: ast.expr) -> None:
            value = self.value(expression)
            if isinstance(target, ast.Tuple):
                for k, name in enumerate(target.elts):
                    self._known[name.id] = self._builder.extract_value(value, k)  # type: ignore[attr-defined]
            else:
                self._known[target.id] = value  # type: ignore[attr-defined]

        def value(self, node: ast.expr) -> Any:
            """What an expression comes to."""
            if isinstance(node, ast.Name):
                return self._known[node.id]
            if isinstance(node, ast.Constant):
                return ir.Constant(FLOAT, node.value)
            if isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS:
                build = getattr(self._builder, OPERATIONS[type(node.op)])
                return build(self.value(node.left), self.value(node.right))
            if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
                zero = ir.Constant(FLOAT, -0.0)
                return self._builder.fsub(zero, self.value(node.operand))
            if isinstance(node, ast.Tuple):
                parts = [self.value(part) for part in node.elts]
                return self._context.make_tuple(self._builder, _kind(node), parts)
            if _is_call("load_pair", node):
                return self._pair(*_called("load_pair", node))
            array, index = _called("load", node)
            return self._builder.load(self._place(array, index))

        def _pair(self, array: ast.expr, index: ast.expr) -> Any:
            """Two numbers side by side, read at once; halves are widened."""
            builder = self._builder
            place = builder.gep(self._place(array, index), [self._lane])
            kept = FLOAT if place.type.pointee == FLOAT else ir.HalfType()
            both = builder.bitcast(place, ir.VectorType(kept, 2).as_pointer())
            pair = builder.load(both, align=4 if kept is not FLOAT else 8)
            parts = [builder.extract_element(pair, ir.IntType(32)(k)) for k in range(2)]
            if kept is not FLOAT:
                parts = [builder.fpext(part, FLOAT) for part in parts]
            kind = types.Tuple([types.float32] * 2)
            return self._context.make_tuple(builder, kind, parts)

        def _place(self, array: ast.expr, index: ast.expr) -> Any:
            at = ir.Constant(ir.IntType(64), ast.literal_eval(index))
            return self._builder.gep(self.value(array), [at])
