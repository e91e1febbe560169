"""A lab on the page, and two ways to work it: with the mouse, and with the keyboard."""

from __future__ import annotations

import re
from typing import Any

_WHERE = """target => {
    const now = document.activeElement;
    if (now === target) return 'here';
    return target.compareDocumentPosition(now) & Node.DOCUMENT_POSITION_FOLLOWING ? 'before' : 'behind';
}"""


class Hands:
    """What a person does in one lab or question.

    Parameters
    ----------
    page
        The browser's page.
    root
        The locator of the lab.
    """

    def __init__(self, page: Any, root: Any) -> None:
        self.page, self.root = page, root
        self._before = ""  # what the lab said before the latest click or key

    def control(self, name: str, role: str = "button") -> Any:
        """The control of that name; a regular expression between slashes, or the name as it is."""
        wanted = re.compile(name.strip("/")) if name.startswith("/") else name
        return self.root.get_by_role(role, name=wanted, exact=True).first

    def titled(self, title: str) -> Any:
        """The control with that tooltip, where two have the same name."""
        return self.root.get_by_title(title, exact=True).first

    def click(self, control: Any) -> None:
        """Click it, once it can be."""
        self._before = self.root.inner_text()
        self._control(control).click()

    def press(self, control: Any, *keys: str) -> None:
        """Go there with Tab, from where the focus is, and press keys: by default Enter."""
        self.go_to(control)
        self._before = self.root.inner_text()
        for key in keys or ("Enter",):
            self.page.keyboard.press(key)

    def go_to(self, control: Any) -> None:
        """Press Tab, or Shift+Tab, until a control has the focus."""
        target = self._control(control)
        if not self.root.evaluate("root => root.contains(document.activeElement)"):
            self.root.locator("button, input, select, [tabindex='0']").first.focus()
        for _ in range(150):
            where = target.evaluate(_WHERE)
            if where == "here":
                return
            self.page.keyboard.press("Shift+Tab" if where == "before" else "Tab")
        raise AssertionError(f"no number of Tabs leads to {control}")

    def sees(self, text: str, *, seconds: float = 30) -> None:
        """Wait until the lab has changed since the latest click or key, and shows a text: a regular expression."""
        from playwright.sync_api import expect

        milliseconds = 1000 * seconds
        expect(self.root).not_to_have_text(self._before, use_inner_text=True, timeout=milliseconds)
        expect(self.root).to_contain_text(re.compile(text, re.DOTALL), use_inner_text=True, timeout=milliseconds)

    def _control(self, control: Any) -> Any:
        return self.control(control) if isinstance(control, str) else control
