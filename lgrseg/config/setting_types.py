"""Checks settings of a config against the type annotations of the arguments.

Plain values (numbers, strings, booleans, lists of them) are checked. Objects that a config builds
are only checked not to be plain values.
"""

import inspect
import math
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_PLAIN = (str, int, float, bool)
_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    str: "text",
    Path: "a path",
    type(None): "null",
}


class SettingError(ValueError):
    """A setting whose type does not match the annotation of the argument."""


def fitted(value: Any, annotation: Any, key: str) -> Any:
    """Check a value and return it; whole numbers become int, even if written as 1e3.

    Args:
        value: value in a config.
        annotation: type annotation of the argument.
        key: key of the value in the config, for the message.

    Raises:
        SettingError: the value has another type.
    """
    try:
        return _fitted(value, annotation)
    except TypeError:
        quotes = f"; for text, quote it: '\"{value}\"'" if _asks_for_text(value, annotation) else ""
        raise SettingError(f"{key} is {describe(annotation)}, not {value!r}{quotes}") from None


def fitted_arguments(
    function: Callable, arguments: Mapping[str, Any], key: str, *, extra: Mapping[str, Any]
) -> dict[str, Any]:
    """Apply `fitted` to all arguments of a call.

    Args:
        function: function or class to call.
        arguments: arguments by name, as in a config.
        key: key of the call in the config, for messages.
        extra: additional arguments from the program.

    Raises:
        SettingError: an argument has another type.
    """
    try:
        # The signature of a class is that of its constructor, if it has one.
        hints = get_type_hints(function.__init__ if inspect.isclass(function) else function)
        parameters = inspect.signature(function).parameters
    except (
        AttributeError,
        NameError,
        TypeError,
        ValueError,
    ):  # written in C, or a name is not imported
        return dict(arguments)
    checked = {}
    for name, value in arguments.items():
        is_default = name in parameters and parameters[name].default is value
        is_annotated = name in hints and name not in extra and not is_default
        checked[name] = fitted(value, hints[name], f"{key}.{name}") if is_annotated else value
    return checked


def describe(annotation: Any) -> str:
    """Describe an annotation in words, such as 'a finite number, or null'."""
    if annotation in _WORDS:
        return _WORDS[annotation]
    origin, options = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return ", or ".join(describe(option) for option in options)
    if origin is Literal:
        return f"one of {', '.join(map(str, options))}"
    if _is_list(origin):
        items = [describe(option) for option in options if option is not Ellipsis]
        if origin is tuple and Ellipsis not in options:
            return f"a list of {len(items)}: {', '.join(items)}"
        return f"a list, each item {items[0]}" if items else "a list"
    return f"a {getattr(origin or annotation, '__name__', annotation)}"


def _fitted(value: Any, annotation: Any) -> Any:
    origin, options = get_origin(annotation), get_args(annotation)
    if annotation in (Any, object):
        return value
    if origin in (Union, types.UnionType):
        return _first_that_fits(value, options)
    if annotation in (int, float):
        return _number(value, annotation)
    if annotation is Path and isinstance(value, str):
        return value
    if origin is Literal:
        return _checked(value, value in options)
    if _is_list(origin or annotation):
        return _list(value, options)
    base_type = origin or annotation
    if isinstance(value, (*_PLAIN, type(None))) and isinstance(base_type, type):
        return _checked(value, isinstance(value, base_type))
    return _checked(value, annotation not in _WORDS)


def _first_that_fits(value: Any, options: tuple) -> Any:
    for option in options:
        try:
            return _fitted(value, option)
        except TypeError:
            continue
    raise TypeError


def _number(value: Any, number_type: type) -> int | float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    _checked(value, is_number and math.isfinite(value) and (number_type is float or value % 1 == 0))
    return value if number_type is float else int(value)


def _list(value: Any, options: tuple) -> Any:
    if isinstance(value, (*_PLAIN, type(None))):
        raise TypeError
    if not isinstance(value, list | tuple) or not options:
        return value
    if options[-1] is Ellipsis or len(options) == 1:
        return [_fitted(item, options[0]) for item in value]
    _checked(value, len(value) == len(options))
    return [_fitted(item, option) for item, option in zip(value, options, strict=True)]


def _checked(value: Any, fits: bool) -> Any:
    if not fits:
        raise TypeError
    return value


def _is_list(annotation: Any) -> bool:
    names = ("list", "tuple", "Sequence", "Iterable", "Collection")
    return isinstance(annotation, type) and annotation.__name__ in names


def _asks_for_text(value: Any, annotation: Any) -> bool:
    return isinstance(value, int | float) and str in (annotation, *get_args(annotation))
