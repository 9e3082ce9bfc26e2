"""YAML to frozen dataclasses; every error names file, line and field."""

from __future__ import annotations

import dataclasses
import difflib
import re
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from perception_nodes.datatypes import ConfigurationError

T = TypeVar("T")
_WORDS = {float: "a number", int: "a whole number", str: "a text", bool: "true or false"}


def decode_file(cls: type[T], text: str, where: str) -> T:
    """The one document in `text` as a `cls`. Raises ConfigurationError "FILE:LINE: FIELD: what is wrong"."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = 1 + error.problem_mark.line if error.problem_mark else 1
        raise ConfigurationError(f"{where}:{line}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{where}: not YAML: {error}") from error
    if node is None:
        raise ConfigurationError(f"{where}:1: the file is empty")
    decoded: T = _Decoder(where).dataclass(cls, node, "")
    return decoded


@dataclasses.dataclass(frozen=True)
class _Decoder:
    where: str

    def fail(self, node: Any, field: str, problem: str) -> ConfigurationError:
        name = f"{field}: " if field else ""
        return ConfigurationError(f"{self.where}:{node.start_mark.line + 1}: {name}{problem}")

    def dataclass(self, cls: Any, node: Any, field: str) -> Any:
        hints = get_type_hints(cls)
        known = {f.name: f for f in dataclasses.fields(cls) if f.metadata.get("given", True)}
        values: dict[str, Any] = {}
        for key, child in self.pairs(node, field):
            path = f"{field}.{key}" if field else key
            if key not in known:
                close = difflib.get_close_matches(key, known, 1)
                hint = f"did you mean {close[0]!r}?" if close else f"wanted one of {list(known)}"
                raise self.fail(child, path, f"unknown field: {hint}")
            values[key] = self.value(hints[key], child, path)
            self.check_range(known[key], values[key], child, path)
        for name, f in known.items():
            if name not in values and f.default is f.default_factory is dataclasses.MISSING:
                raise self.fail(node, f"{field}.{name}" if field else name, "is missing")
        try:
            return cls(**values)
        except ConfigurationError as error:
            raise self.fail(self.named(node, str(error)) or node, field, str(error)) from error

    def named(self, node: Any, text: str) -> Any:
        """The value whose key stands at the beginning of a text or of one of its parts; None if there is none."""
        if not isinstance(node, yaml.MappingNode):
            return None
        for key, child in node.value:
            if re.search(rf"(^|: ){re.escape(str(key.value))}\b", text):
                return child
            if deeper := self.named(child, text):
                return deeper
        return None

    def pairs(self, node: Any, field: str) -> list[tuple[str, Any]]:
        if not isinstance(node, yaml.MappingNode):
            raise self.fail(node, field, f"wanted fields with values, got {self.plain(node)!r}")
        out: dict[str, Any] = {}
        for key, child in node.value:
            name = str(key.value)
            if name in out:
                raise self.fail(key, f"{field}.{name}" if field else name, "is given twice")
            out[name] = child
        return list(out.items())

    def value(self, hint: Any, node: Any, field: str) -> Any:
        origin, args = get_origin(hint), get_args(hint)
        if origin in (Union, types.UnionType):
            return self.union(args, node, field)
        if origin is Literal:
            word = self.plain(node)
            if word not in args:
                close = difflib.get_close_matches(str(word), args, 1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise self.fail(node, field, f"{word!r}: wanted one of {list(args)}{hint}")
            return word
        if origin is tuple:
            return self.sequence(args, node, field)
        if origin is Mapping:
            return {key: self.plain(child) for key, child in self.pairs(node, field)}
        if dataclasses.is_dataclass(hint):
            if hasattr(hint, "from_dict"):
                return self.built(hint, node, field)
            return self.dataclass(hint, node, field)
        return self.scalar(hint, node, field)

    def union(self, args: tuple[Any, ...], node: Any, field: str) -> Any:
        if type(None) in args and node.tag == "tag:yaml.org,2002:null":
            return None
        choices = [a for a in args if a is not type(None)]
        if len(choices) > 1:  # a scalar, or a sequence of them
            sequence = isinstance(node, yaml.SequenceNode)
            choices = [a for a in choices if (get_origin(a) is tuple) == sequence] or choices
        return self.value(choices[0], node, field)

    def built(self, hint: Any, node: Any, field: str) -> Any:
        """By the type's own reader, which names the key; the line of that key is found here."""
        children = dict(self.pairs(node, field))
        try:
            return hint.from_dict({key: self.plain(child) for key, child in children.items()}, field)
        except ConfigurationError as error:
            at = next((child for key, child in children.items() if key in str(error)), node)
            raise self.fail(at, "", str(error)) from error

    def sequence(self, args: tuple[Any, ...], node: Any, field: str) -> Any:
        if not isinstance(node, yaml.SequenceNode):
            raise self.fail(node, field, f"wanted a list, got {self.plain(node)!r}")
        if args[-1] is Ellipsis:
            args = (args[0],) * len(node.value)
        if len(node.value) != len(args):
            raise self.fail(node, field, f"wanted {len(args)} values, got {len(node.value)}")
        return tuple(self.value(a, n, f"{field}[{k}]") for k, (a, n) in enumerate(zip(args, node.value)))  # noqa: B905  lengths are equal, checked above

    def scalar(self, hint: Any, node: Any, field: str) -> Any:
        got = self.plain(node)
        right = isinstance(got, (int, float) if hint is float else hint)
        if not right or isinstance(got, bool) != (hint is bool):
            raise self.fail(node, field, f"wanted {_WORDS[hint]}, got {got!r}")
        if hint is float and not abs(got) <= sys.float_info.max:
            raise self.fail(node, field, f"wanted a number, got {str(got)[:20]}")
        return float(got) if hint is float else got

    def check_range(self, f: Any, value: Any, node: Any, field: str) -> None:
        low, high = f.metadata.get("low"), f.metadata.get("high")
        for number in _flat(value):
            if isinstance(number, bool) or not isinstance(number, int | float):
                continue
            if (low is not None and number < low) or (high is not None and number > high):
                least, most = "-inf" if low is None else low, "inf" if high is None else high
                raise self.fail(node, field, f"{number}: wanted a value in [{least}, {most}]")

    def plain(self, node: Any) -> Any:
        """The node as plain Python values."""
        loader = yaml.SafeLoader("")
        try:
            return loader.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError) as error:  # a number of too many digits, a date that is none
            raise self.fail(node, "", f"not a plain value: {error}") from error
        finally:
            loader.dispose()


def _flat(value: Any) -> Iterator[Any]:
    if not isinstance(value, tuple):
        yield value
        return
    for part in value:
        yield from _flat(part)
