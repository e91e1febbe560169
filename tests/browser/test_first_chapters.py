"""The primer and the first chapters, in JupyterLab."""

from tests.browser.every_chapter import EveryChapter


class TestFirstChapters(EveryChapter):
    CHAPTERS = ("primer", "00_start_here", "01_basic_block", "02_shortcut_projection", "03_bottleneck")
