"""JupyterLab in a browser: open a notebook, run it, and look at what it shows."""

from __future__ import annotations

import re
from typing import Any

SECONDS = 300  # for one notebook; it is only used up where something hangs
SAID = ("error", "warning")
# What JupyterLab says on its own account: when a notebook is closed as soon as it is open, its kernel ends before it has told
# the debugger of breakpoints; and on a computer that is busy with other tests, Run All waits ten seconds for the last cell of a
# long chapter.
NOT_OURS = re.compile(
    r"Could not restore the debugger state: Canceled future for debug_request"
    r"|Item with index \d+ did not appear within \d+ ms .*/static/lab/"
)
# JupyterLab leaves cells out of sight undrawn; axe takes for hidden what lies outside a box that cuts it off, and does not
# judge text on which another element lies, as the place does where a click folds an output.
ALL_CELLS = """
.jp-Cell { content-visibility: visible !important; contain: none !important }
body, .jp-LabShell { overflow: visible !important }
.jp-OutputArea-promptOverlay { display: none !important }
"""
ERRORS = "[data-mime-type='application/vnd.jupyter.error'], [data-mime-type='application/vnd.jupyter.stderr']"
# JupyterLab adds the cells of an opened notebook to the page one after the other, whenever the browser is idle. On a busy
# computer it hardly ever is: then a few cells come every three seconds, and whatever asks for a later one (Run All scrolls to the
# last) warns that it "did not appear within 10000 ms". A browser that cannot tell when it is idle, as Safari, adds them at once.
NEVER_IDLE = "window.requestIdleCallback = undefined"
_ALL_THERE = """() => {
    const book = window.jupyterapp.shell.currentWidget?.content, cells = book?.model?.cells.length;
    return cells && book.widgets.length === cells && book.widgets.every(cell => !cell.isPlaceholder());
}"""
# An output is added when the kernel sends it, a widget in it once its model is known, and the parts of a widget one by one:
# until a part comes, an empty element of Lumino's stands in its place.
_ALL_DRAWN = """() => {
    const panel = window.jupyterapp.shell.currentWidget, view = 'application/vnd.jupyter.widget-view+json';
    return panel.content.widgets.filter(cell => cell.outputArea).every(({outputArea: area}) =>
            area.widgets.length >= area.model.length && area.model.toJSON().every((output, number) =>
                !output.data?.[view]?.model_id || area.widgets[number].node.querySelector('.jupyter-widgets')))
        && !panel.node.querySelector(".widget-box > .lm-Widget:not([class*='widget'])");
}"""


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
        self.page.add_init_script(NEVER_IDLE)
        self.path = ""

    def open(self, path: str) -> None:
        """Open a notebook of the work folder in place of the one that is open."""
        if self.path:
            self.close()
            self.command("docmanager:open", path=path)
        else:  # with nothing left of what was open before
            self.page.goto(f"{self.address}/lab/tree/{path}?token={self.token}&reset")
        self.at(path)

    def at(self, path: str) -> None:
        """Wait until a notebook is open, with all its cells and a kernel that is ready."""
        self.wait(f"() => window.jupyterapp?.shell.currentWidget?.context?.path === {path!r}")
        self.wait(_ALL_THERE)
        self.wait_for_kernel()
        self.page.add_style_tag(content=ALL_CELLS)
        self.path = path

    def close(self) -> None:
        """End the notebook's kernel, and close it as it was last saved."""
        if not self.path:
            return
        self.page.evaluate(
            """async () => {
                const panel = window.jupyterapp.shell.currentWidget;
                await panel.sessionContext.shutdown();
                panel.dispose();
            }"""
        )
        self.path = ""

    def save(self) -> None:
        """Save the notebook."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.save()")

    def command(self, name: str, **arguments: Any) -> None:
        """Do what a menu's entry does."""
        self.page.evaluate("([name, args]) => { window.jupyterapp.commands.execute(name, args) }", [name, arguments])

    def menu(self, *names: str) -> None:
        """Click through a menu, as a person does."""
        self.page.get_by_role("menuitem", name=names[0], exact=True).first.click()
        for name in names[1:]:
            self.page.locator(".lm-Menu-item:visible", has_text=re.compile(f"^{re.escape(name)}")).first.click()

    def wait(self, condition: str, seconds: float = 60) -> None:
        """Wait for a condition in JavaScript."""
        self.page.wait_for_function(condition, timeout=seconds * 1000, polling=200)

    def run_all(self) -> None:
        """Run all cells, and wait until the last one is done, or one has failed."""
        self.menu("Run", "Run All Cells")
        self.wait_until_run()

    def wait_for_kernel(self) -> None:
        """Wait until the kernel has nothing to do."""
        self.wait("() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'")

    def restart_and_run_all(self) -> None:
        """Restart the kernel, run all cells, and wait until the last one is done, or one has failed."""
        self.page.evaluate(
            "document.querySelectorAll('.jp-OutputArea-child').forEach(one => { one.dataset.old = 'yes' })"
        )
        self.menu("Kernel", "Restart Kernel and Run All Cells")
        self.page.locator(".jp-Dialog .jp-mod-accept").click()
        self.wait("() => !document.querySelector('.jp-OutputArea-child[data-old]')")  # all have begun again
        self.wait_until_run()

    def wait_until_run(self) -> None:
        """Wait until all cells have run, or one has failed, and what they gave is on the page."""
        self.wait(
            """() => {
                const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells].filter(c => c.type === 'code');
                if (cells.some(cell => cell.executionState === 'running')) return false;
                return cells.every(cell => cell.executionCount || !cell.sharedModel.source.trim())
                    || cells.some(cell => cell.outputs.toJSON().some(one => one.output_type === 'error'));
            }""",
            SECONDS,
        )
        self.wait(_ALL_DRAWN)

    def theme(self, name: str) -> None:
        """Switch to the theme "Light" or "Dark"."""
        self.command("apputils:change-theme", theme=f"JupyterLab {name}")
        self.page.wait_for_selector(f"body[data-jp-theme-name='JupyterLab {name}']", state="attached")
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")  # which lies above all meanwhile

    def width(self, pixels: int) -> None:
        """Make the window so wide, and wait until the notebook fills it: JupyterLab follows the window a little later."""
        self.page.set_viewport_size({"width": pixels, "height": 900})
        self.wait(
            """() => {
                const side = document.querySelector('.jp-SideBar.jp-mod-right')?.offsetWidth ?? 0;
                const edge = window.jupyterapp.shell.currentWidget.node.getBoundingClientRect().right;
                return Math.abs(innerWidth - side - edge) < 20;
            }"""
        )

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

    def outputs(self) -> dict[str, list[dict[str, Any]]]:
        """What each code cell shows, by its id, as it would be saved."""
        found: dict[str, list[dict[str, Any]]] = self.page.evaluate(
            """() => Object.fromEntries([...window.jupyterapp.shell.currentWidget.content.model.cells]
                .filter(cell => cell.type === 'code').map(cell => [cell.id, cell.outputs.toJSON()]))"""
        )
        return found

    def kernel_has_loaded(self, module: str) -> bool:
        """Whether the notebook's kernel has imported a module."""
        answer: str = self.page.evaluate(
            """async module => {
                const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                const question = `${JSON.stringify(module)} in __import__('sys').modules`;
                const ask = {code: '', store_history: false, user_expressions: {loaded: question}};
                const reply = await kernel.requestExecute(ask).done;
                return reply.content.user_expressions.loaded.data['text/plain'];
            }""",
            module,
        )
        return answer == "True"

    @property
    def cells(self) -> Any:
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell")

    def sources(self) -> list[str]:
        """What the cells hold."""
        found: list[str] = self.page.evaluate(
            "() => [...window.jupyterapp.shell.currentWidget.content.model.cells].map(cell => cell.sharedModel.source)"
        )
        return found
