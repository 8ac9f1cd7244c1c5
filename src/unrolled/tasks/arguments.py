"""Arguments of estimators: default, meaning and range, said once.

    @dataclass(eq=False, repr=False, kw_only=True)
    class Model(Estimator):
        pooling: str = argument("mean", "Of the steps", among=("mean", "max"))
        depth: int | None = argument(None, "Of layers. Default by data.", whole=1)

The constructor, `check_arguments` and the options of the command line (`options.takes`) are made
of these.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import Field, field, fields
from typing import Any

from ..naming import one_of
from .learning import check_between, check_whole

_KEY = "argument"
# The default of an option is that of the argument.
SAME: Any = object()


def argument(
    default: Any,
    help: str,
    *,
    whole: int | None = None,
    below: float | None = None,
    among: Collection[str] | None = None,
    kind: Any = None,
    metavar: str | None = None,
    positional: bool = False,
    typed: Any = SAME,
) -> Any:
    """A field that is an argument and an option.

    Arguments:
        default: None where the estimator chooses; then None is also allowed.
        help: of the option: what it is, in a few words.
        whole: a whole number from this up.
        below: a number from 0 to below this.
        among: one of these names.
        kind: type of the option, where the argument takes more than the command line can say.
        metavar: what stands for the value in the help.
        positional: whether it may be given without its name.
        typed: default of the option, where it is another than that of the argument.
    """
    told = {
        "typed": default if typed is SAME else typed,
        "help": f"{help.rstrip('.')}: {', '.join(among)}." if among else help,
        "whole": whole,
        "below": below,
        "among": among,
        "kind": kind,
        "metavar": metavar,
    }
    return field(default=default, kw_only=not positional, metadata={_KEY: told})


def arguments_of(kind: type) -> Iterator[tuple[Field[Any], dict[str, Any]]]:
    """The fields of a dataclass that `argument` made, and what it was told."""
    for each in fields(kind):
        if _KEY in each.metadata:
            yield each, each.metadata[_KEY]


def check(owner: Any) -> None:
    """Raise ValueError, naming the argument, if one of `owner` is out of its range."""
    for each, told in arguments_of(type(owner)):
        name, value, optional = each.name, getattr(owner, each.name), each.default is None
        if told["whole"] is not None:
            check_whole(name, value, told["whole"], optional)
        if told["below"] is not None:
            check_between(name, value, told["below"], optional)
        if told["among"] is not None and not (optional and value is None):
            one_of(value, told["among"], name)
