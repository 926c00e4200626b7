"""Imports flinkops with every human sentence in another language: each letter is another one (ROT13).

What decides on the words of a sentence then decides otherwise. Names, codes, keys, commands, docstrings and patterns
are left as they are: with patterns the code recognises what Flink and Kubernetes say, and that stays as they say it.
"""

import ast
import codecs
import importlib.machinery
import importlib.util
import re
import sys
from collections.abc import Sequence
from types import CodeType, ModuleType
from typing import Any

PACKAGE = "flinkops"
_SENTENCE = re.compile(r"[A-Za-z]{2,}[,;:.)'\"»]* +[(\"'«]*[A-Za-z{]")
_NO_SENTENCE = re.compile(r"^(flinkops |kubectl |https?:|\d|[a-z]+(\.[a-z-]+)+$)")
_PLACES = re.compile(r"\{[^{}]*\}")
_UNTRANSLATED_CALLS = frozenset({"compile", "search", "match", "format", "strptime"})


def translated(text: str) -> str:
    """Another language, readable to nobody."""
    return codecs.encode(text, "rot13")


def is_sentence(text: str) -> bool:
    """At least two words, meant for people."""
    return bool(_SENTENCE.search(text)) and not _NO_SENTENCE.match(text)


class Translator(ast.NodeTransformer):
    """Translates the sentences of one module and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Patterns are no sentences, nor are the templates of `format`."""
        function = node.func
        if isinstance(function, ast.Attribute) and function.attr in _UNTRANSLATED_CALLS:
            return node
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """Docstrings stay."""
        return node if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """A sentence; of a template the words around its braces."""
        if isinstance(node.value, str) and is_sentence(_PLACES.sub("xx", node.value)):
            self.count += 1
            parts = _PLACES.split(node.value)
            places = [*_PLACES.findall(node.value), ""]
            told = "".join(translated(part) + place for part, place in zip(parts, places, strict=True))
            return ast.copy_location(ast.Constant(told), node)
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """A sentence with values in it: the words around them, and what is inside."""
        parts: list[ast.expr] = []
        whole = "".join(str(each.value) if isinstance(each, ast.Constant) else "xx" for each in node.values)
        sentence = is_sentence(whole)
        for each in node.values:
            if isinstance(each, ast.Constant):
                text = str(each.value)
                self.count += sentence
                parts.append(ast.copy_location(ast.Constant(translated(text) if sentence else text), each))
            elif isinstance(each, ast.FormattedValue):
                each.value = self.visit(each.value)
                parts.append(each)
        node.values = parts
        return node


class _Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType | None:
        path = self.get_filename(fullname)
        tree = ast.parse(self.get_data(path))
        translator = Translator()
        tree = ast.fix_missing_locations(translator.visit(tree))
        COUNTS[fullname] = translator.count
        return compile(tree, path, "exec")


class _Finder:
    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] != PACKAGE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is not None and spec.origin is not None and spec.origin.endswith(".py"):
            spec.loader = _Loader(fullname, spec.origin)
        return spec


COUNTS: dict[str, int] = {}
"""Sentences translated, by module."""


def install() -> None:
    """From now on, in this process; before anything of the package has been imported."""
    assert not any(name == PACKAGE or name.startswith(PACKAGE + ".") for name in sys.modules)
    finder: Any = _Finder
    sys.meta_path.insert(0, finder)
