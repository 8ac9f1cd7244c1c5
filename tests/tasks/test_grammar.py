"""One grammar: every task has every verb."""

import pytest

from unrolled import cli
from unrolled.tasks import TASKS


@pytest.mark.parametrize("verb", ["train", "check", "tune"])
@pytest.mark.parametrize("task", sorted(TASKS))
def test_every_task_trains_checks_and_tunes(verb, task, capsys) -> None:
    assert cli.run([verb, task, "--help"]) == 0
    assert f"{verb} {task}" in capsys.readouterr().out
