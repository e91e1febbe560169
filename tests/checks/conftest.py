"""`pytest -s tests/checks` ends with the table of verdicts: chapter × task × mistake × framework."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show what every wrong answer was told, if output is shown at all."""
    from tests.checks.judging import verdicts

    if config.option.capture == "no":
        for chapter, task, mistake, framework, verdict in verdicts:
            terminalreporter.write_line(f"{chapter} {task:<14}{mistake:<28}{framework:<12}{verdict}")
