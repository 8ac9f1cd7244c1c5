"""Groups of command-line options, written once as a dataclass and used by many commands.

    @dataclass
    class Reading:
        target: Annotated[str, typer.Option(help="Column to forecast.")] = ""

    @takes(reading=Reading)
    def check(table: Annotated[str, typer.Argument()], reading: Reading) -> None: ...

The command line of `check` is then `check TABLE [--target TEXT]`. An estimator is such a group,
too: its options are what `arguments.argument` made.
"""

import inspect
import re
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer
from typer.models import OptionInfo

from .arguments import arguments_of

Run = Annotated[Path, typer.Argument(help="A run folder, as `train` left it.")]
# Under which title the help shows the options of a group, by the parameter's name.
PANELS = {
    "reading": "Data",
    "testing": "Data",
    "searching": "Search",
    "model": "Model",
    "optimising": "Updates",
    "running": "Run",
}


# unique=True, text=...; numbers are left, which `--search dropout=0.1,0.5` takes as they stand.
_ARGUMENT = re.compile(r"(?<![\w-])(?P<name>[a-z]+(?:_[a-z]+)*)=(?P<value>True|False|\.\.\.)")


def as_options(text: str, typed: Sequence[str] = ()) -> str:
    """Text in which arguments of Python are the options of the command line.

    "unique=True drops them" becomes "--unique drops them"; where --hidden-size was typed,
    "hidden_size must be" becomes "--hidden-size must be".
    """

    def option(match: re.Match[str]) -> str:
        name, value = match["name"].replace("_", "-"), match["value"]
        return {"True": f"--{name}", "False": f"--no-{name}"}.get(value, f"--{name} {value}")

    text = _ARGUMENT.sub(option, text)
    for flag in {each.partition("=")[0] for each in typed if each.startswith("--")}:
        name = re.escape(flag[2:].replace("-", "_"))
        text = re.sub(rf"(?<![\w-]){name}(?= must\b)", flag, text)
    return text


def takes(**groups: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Replace each parameter that is named here by the fields of its dataclass, in its place."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        hints = get_type_hints(command, include_extras=True)

        def run(**given: Any) -> Any:
            for name, kind in groups.items():
                own = {field.name: given.pop(field.name) for field, *_ in _options(kind)}
                given[name] = kind(**own)
            return command(**given)

        parameters = _parameters(command, hints, groups)
        run.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        return run

    return decorate


def _parameters(
    command: Callable[..., Any], hints: dict[str, Any], grouped: dict[str, type]
) -> list[inspect.Parameter]:
    parameters = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name in grouped:
            parameters += _fields_as_parameters(grouped[name], PANELS.get(name))
        else:
            kept = parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
            parameters.append(kept)
    return parameters


def _fields_as_parameters(group: type, panel: str | None) -> list[inspect.Parameter]:
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if default is MISSING else default,
            annotation=_under(panel, annotation),
        )
        for field, annotation, default in _options(group)
    ]


def _under(panel: str | None, annotation: Any) -> Any:
    """An option whose help stands under a title."""
    kind, told = get_args(annotation)
    if not isinstance(told, OptionInfo):
        return annotation
    told = copy(told)
    told.rich_help_panel = panel
    return Annotated[kind, told]


def _options(group: type) -> list[tuple[Field[Any], Any, Any]]:
    """The fields that are options, each with what Typer reads, and its default there."""
    hints = get_type_hints(group, include_extras=True)
    told = list(arguments_of(group))
    if not told:
        return [(field, hints[field.name], field.default) for field in fields(group)]
    return [(field, _annotated(hints[field.name], each), each["typed"]) for field, each in told]


def _annotated(hint: Any, told: dict[str, Any]) -> Any:
    option = typer.Option(
        help=told["help"], show_default=told["typed"] is not None, metavar=told["metavar"]
    )
    kind = told["kind"] or hint
    return Annotated[kind, option]
