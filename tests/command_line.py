"""What a wrong command line must lead to."""

import re

from resnet_lessons import cli

import pytest


def assert_one_line(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Run a command that cannot be carried out: status 2, and one line on stderr in which the pattern `says` is found."""
    assert cli.run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("resnet-lessons: ")
    assert captured.err.count("\n") == 1
    assert re.search(says, captured.err), captured.err
