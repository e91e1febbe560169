"""The later chapters, the explorer and the mystery net, in JupyterLab."""

from tests.browser.every_chapter import EveryChapter


class TestLaterChapters(EveryChapter):
    CHAPTERS = ("04_stride_move", "05_pre_activation", "06_full_training", "07_further", "explorer", "mystery_net")
