"""JupyterLab in a browser: open a notebook, run it, and look at what it shows."""

from __future__ import annotations

import re
from typing import Any

SECONDS = 300  # for one notebook; it is only used up where something hangs
# What JupyterLab and Chromium say on their own account, whatever notebook is open.
SAID = ("error", "warning")
NOT_OURS = re.compile(r"/favicon\.ico$")
# JupyterLab leaves cells out of sight undrawn; axe takes for hidden what lies outside a box that cuts it off, and does not
# judge text on which another element lies, as the place does where a click folds an output.
ALL_CELLS = """
.jp-Cell { content-visibility: visible !important; contain: none !important }
body, .jp-LabShell { overflow: visible !important }
.jp-OutputArea-promptOverlay { display: none !important }
"""
ERRORS = "[data-mime-type='application/vnd.jupyter.error'], [data-mime-type='application/vnd.jupyter.stderr']"


class Watched:
    """A page that remembers what its console said and which addresses it asked for."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.console: list[str] = []
        self.elsewhere: list[str] = []
        page.on("console", lambda m: self._said(f"{m.type}: {m.text} {m.location['url']}") if m.type in SAID else None)
        page.on("pageerror", lambda error: self._said(f"page error: {error}"))
        page.on("request", lambda request: self._asked(request.url))

    def _said(self, text: str) -> None:
        if not NOT_OURS.search(text):
            self.console.append(text[:500])

    def _asked(self, address: str) -> None:
        if not re.match(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:|about:|file:", address):
            self.elsewhere.append(address)

    def forget(self) -> None:
        """Begin anew."""
        self.console.clear()
        self.elsewhere.clear()


class Jupyter:
    """JupyterLab on one page."""

    def __init__(self, watched: Watched, address: str, token: str) -> None:
        self.watched, self.page, self.address, self.token = watched, watched.page, address, token
        self.page.set_default_timeout(60_000)
        self.path = ""

    def open(self, path: str) -> None:
        """Open a notebook of the work folder in place of the one that is open."""
        if self.path:
            self.close()
            self.command("docmanager:open", path=path)
        else:  # with nothing left of what was open before
            self.page.goto(f"{self.address}/lab/tree/{path}?token={self.token}&reset")
        self.page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell", state="attached")
        self.wait_for_kernel()
        self.page.add_style_tag(content=ALL_CELLS)
        self.path = path

    def close(self) -> None:
        """Save the notebook, end its kernel, and close it."""
        if not self.path:
            return
        self.page.evaluate(
            """async () => {
                const panel = window.jupyterapp.shell.currentWidget;
                await panel.context.save();
                await panel.sessionContext.shutdown();
                panel.dispose();
            }"""
        )
        self.path = ""

    def command(self, name: str, **arguments: Any) -> None:
        """Do what a menu's entry does."""
        self.page.evaluate("([name, args]) => { window.jupyterapp.commands.execute(name, args) }", [name, arguments])

    def menu(self, *names: str) -> None:
        """Click through a menu, as a person does."""
        self.page.get_by_role("menuitem", name=names[0], exact=True).first.click()
        for name in names[1:]:
            self.page.locator(".lm-Menu-item:visible", has_text=re.compile(f"^{re.escape(name)}")).first.click()

    def wait(self, condition: str) -> None:
        """Wait for a condition in JavaScript."""
        self.page.wait_for_function(condition, timeout=SECONDS * 1000, polling=200)

    def run_all(self) -> None:
        """Run all cells, and wait until the last one is done, or one has failed."""
        self.menu("Run", "Run All Cells")
        self.wait_until_run()

    def wait_for_kernel(self) -> None:
        """Wait until the kernel has nothing to do."""
        self.wait("() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'")

    def wait_until_run(self) -> None:
        """Wait until all cells have run, or one has failed."""
        self.wait(
            """() => {
                const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells].filter(c => c.type === 'code');
                if (cells.some(cell => cell.executionState === 'running')) return false;
                return cells.every(cell => cell.executionCount || !cell.sharedModel.source.trim())
                    || cells.some(cell => cell.outputs.toJSON().some(one => one.output_type === 'error'));
            }"""
        )

    def theme(self, name: str) -> None:
        """Switch to the theme "Light" or "Dark"."""
        self.command("apputils:change-theme", theme=f"JupyterLab {name}")
        self.page.wait_for_selector(f"body[data-jp-theme-name='JupyterLab {name}']", state="attached")
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")  # which lies above all meanwhile

    def failures(self) -> list[str]:
        """Errors and stderr outputs of all cells, whether they are drawn or not."""
        found: list[str] = self.page.evaluate(
            """() => [...window.jupyterapp.shell.currentWidget.content.model.cells]
                .filter(cell => cell.type === 'code')
                .flatMap(cell => cell.outputs.toJSON())
                .filter(one => one.output_type === 'error' || one.name === 'stderr')
                .map(one => `${one.ename ?? 'stderr'}: ${one.evalue ?? one.text}`)"""
        )
        return found

    @property
    def cells(self) -> Any:
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell")
