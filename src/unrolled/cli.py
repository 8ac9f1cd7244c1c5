"""The command `unrolled`.

    unrolled train TASK DATA [options]     unrolled check TASK DATA
    unrolled tune TASK DATA [options]
    unrolled predict RUN [INPUT]           unrolled evaluate RUN DATA
    unrolled inspect RUN                   unrolled demo [TASK]
    unrolled draw CELL [FILE]              unrolled engines [CELL]

What belongs to one task (its options, what it prints) is in the task's own `commands` module.
Bad input ends with one line on standard error and exit status 2.
"""

import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from . import __version__
from .cells.lookup import make_cell
from .engines.overview import choice, overview, verdicts
from .graph import graph
from .graph.drawing import is_row
from .graph.drawing.forms import feeds_back_output
from .naming import one_of
from .nn import Network
from .tasks import TASKS, commands_of, task_of
from .tasks.inspection import INSPECTION, verdict, write_inspection
from .tasks.options import Run, as_options
from .tasks.runs import check_writable
from .training import TrainingFailed
from .training.machine import started_rank

app = typer.Typer(
    help="Recurrent neural networks: train them on your sequences, predict, understand.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class OfTasks(TyperGroup):
    """A command of each task, imported when it is asked for: `unrolled --help` needs none."""

    def __init__(self, **attributes: Any):
        super().__init__(**attributes)
        self.commands: Any = dict.fromkeys(TASKS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in TASKS:
            return None
        plain: dict[str, Any] = {"add_completion": False, "pretty_exceptions_enable": False}
        verbs = {verb: typer.Typer(**plain) for verb in ("train", "check", "tune")}
        commands_of(cmd_name).register(*verbs.values())
        return typer.main.get_command(verbs[str(self.name)])


for _verb, _help in {
    "train": "Train a model and leave it in a run folder.",
    "tune": "Search hyper-parameters, then train.",
    "check": "Look at data: what is found, what is wrong.",
}.items():
    app.add_typer(typer.Typer(cls=OfTasks, help=_help, no_args_is_help=True), name=_verb)


# What follows the run folder is for the run's own task to read, --help included.
_OF_THE_TASK: dict[str, Any] = {
    "context_settings": {"ignore_unknown_options": True, "allow_extra_args": True},
    "add_help_option": False,
    "options_metavar": "RUN [INPUT] [OPTIONS]",
}


@app.command(**_OF_THE_TASK)
def predict(context: typer.Context) -> None:
    """Predict with a trained model."""
    _by_task("predict", context.args)


@app.command(**_OF_THE_TASK)
def evaluate(context: typer.Context) -> None:
    """Score a trained model on data, beside the baselines."""
    _by_task("evaluate", context.args)


def _by_task(name: str, given: list[str]) -> None:
    """Run a command of the task of the run folder that is named first."""
    if not given or given[0].startswith("--"):
        usage = f"unrolled {name} RUN [INPUT] [OPTIONS]"
        if "--help" in given:
            typer.echo(f"{usage}\n\nThe options are the task's: unrolled {name} RUN --help")
            return
        raise ValueError(f"RUN, the folder that `train` left, must come first: {usage}")
    found = commands_of(task_of(given[0]))
    one = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    one.command(name)(getattr(found, name))
    one(given, standalone_mode=False, prog_name=f"unrolled {name}")


@app.command()
def inspect(
    run: Run,
    output: Annotated[
        str, typer.Option(help="The page to write; default inspect.html in the run folder.")
    ] = "",
) -> None:
    """Look into a trained network: memory, gates, units, spectrum, stability, training."""
    task = task_of(run)
    page = Path(output) if output else run / INSPECTION
    if page.suffix != ".html":
        raise ValueError(f"cannot write {page}: the name must end in .html")
    check_writable(page.parent)
    subject = commands_of(task).inspect(run)
    write_inspection(page, subject)
    _table([*verdict(subject), ("page", str(page))])


@app.command()
def demo(
    task: Annotated[str, typer.Argument(help="Which task to show.")] = "forecast",
    output: Annotated[Path, typer.Option(help="Folder for run folders.")] = Path("runs"),
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the run folder.")] = False,
) -> None:
    """Train on data that comes with unrolled."""
    commands_of(one_of(task, TASKS, "task")).demo(output, quiet)


@app.command()
def draw(
    cell: Annotated[str, typer.Argument(help="elman, jordan, lstm, gru, or FILE.py:Class.")],
    file: Annotated[
        str, typer.Argument(help=".svg, .png, .pdf, .mmd, .dot; - prints the step as text.")
    ] = "",
    steps: Annotated[
        int | None, typer.Option(min=1, help="Unrolled over so many steps; default: folded.")
    ] = None,
    level: Annotated[str, typer.Option(help="textbook or operators.")] = "textbook",
    network: Annotated[
        str, typer.Option(help="every, last, bidirectional or encoder-decoder.")
    ] = "every",
    readout: Annotated[
        bool | None, typer.Option(help="With o, L and y; default: unless gates are drawn.")
    ] = None,
    input_size: Annotated[int, typer.Option(min=1, help="Features of x.")] = 3,
    hidden_size: Annotated[int, typer.Option(min=1, help="Size of h.")] = 4,
) -> None:
    """Draw the computational graph of a cell."""
    made = make_cell(cell, input_size, hidden_size)
    with _of_ones_own():
        step = graph(made)
    if readout is None and file != "-":
        readout = level == "textbook" and is_row(step, network) and not feeds_back_output(step)
    if readout:
        step = graph(Network(made, next(iter(made.state_sizes.values()))))
    if file == "-":
        typer.echo(step)
        return
    name = file or f"{type(made).__name__.lower()}.svg"
    path = step.draw(name, steps, level, network)
    typer.echo(f"drew      {path}")


@app.command()
def engines(
    cell: Annotated[
        str, typer.Argument(metavar="[cell]", help="A cell to ask them about, or FILE.py:Class.")
    ] = "",
    input_size: Annotated[int, typer.Option(min=1, help="Features of x.")] = 8,
    hidden_size: Annotated[int, typer.Option(min=1, help="Size of h.")] = 32,
) -> None:
    """Show the ways to compute a network here, or what each would do with a cell."""
    if cell:
        made = make_cell(cell, input_size, hidden_size)
        with _of_ones_own():
            _table(verdicts(made))
            _table([("auto", choice(made))])
    else:
        _table(overview())


@contextmanager
def _of_ones_own() -> Iterator[None]:
    """A step that returns something else than it should is bad input, too."""
    try:
        yield
    except TypeError as error:
        raise ValueError(str(error)) from error


def _table(rows: Iterable[tuple[str, str]]) -> None:
    rows, width = list(rows), max(60, shutil.get_terminal_size().columns)
    margin = max(10, *(len(name) + 2 for name, _ in rows))
    for name, text in rows:
        lines = textwrap.wrap(text, width - margin, break_long_words=False, break_on_hyphens=False)
        typer.echo(f"{name:<{margin}}" + ("\n" + " " * margin).join(lines))


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"unrolled {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print version.")
    ] = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """Run the command and leave the process: 0 done, 2 bad input, 130 interrupted."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command; the exit status."""
    try:
        status: Any = app(arguments, standalone_mode=False)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except BrokenPipeError:
        # The reader of our output has closed it, as `head` does.
        sys.stderr.close()
        return 0
    except (ValueError, OSError, RuntimeError) as error:
        # Of several processes that train together all meet the same bad input.
        if started_rank() > 0 and isinstance(error, (ValueError, TrainingFailed)):
            return 2
        typed = sys.argv[1:] if arguments is None else arguments
        return _fail(as_options(_one_line(error), typed), 2)
    except Exception as error:
        # Usage errors (unknown option, missing argument) know how to say themselves.
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(message())
            return 2
        return _fail(_one_line(message()), 2)
    return status if isinstance(status, int) else 0


def _fail(message: str, status: int) -> int:
    typer.echo(f"unrolled: {message}", err=True)
    return status


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
