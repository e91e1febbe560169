"""The progress store loses nothing, survives crashes, and never stops a lesson."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import warnings
from datetime import UTC, datetime

from resnet_lessons import progress

import pytest


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    folder = tmp_path / "data" / "progress"
    monkeypatch.setenv("RESNET_LESSONS_PROGRESS", str(folder))
    monkeypatch.setattr(progress, "_warned", False)
    return folder


def values() -> list:
    return [record.value for record in progress.read()]


def test_nothing_recorded_is_an_empty_list_and_creates_no_folder(place):
    assert progress.read() == []
    progress.clear()
    assert not place.exists()


def test_a_record_comes_back_with_its_time():
    value = {"choice": "56 × 56", "tries": [1, 2.5, None, True]}
    progress.record("01_basic_block", "shape", value)
    (found,) = progress.read()
    assert (found.chapter, found.key, found.value) == ("01_basic_block", "shape", value)
    assert abs((datetime.now(UTC) - found.time).total_seconds()) < 60


def test_records_keep_their_order():
    for number in range(5):
        progress.record("c", "k", number)
    assert values() == [0, 1, 2, 3, 4]


def test_clear_forgets_everything_and_recording_goes_on():
    progress.record("c", "k", 1)
    progress.clear()
    assert progress.read() == []
    progress.record("c", "k", 2)
    assert values() == [2]


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no such bits")
def test_the_file_is_readable_by_its_owner_alone(place):
    progress.record("c", "k", 1)
    assert (place / "progress.jsonl").stat().st_mode & 0o077 == 0
    assert place.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_a_torn_last_line_costs_that_line_only(place, cut):
    progress.record("c", "k", "first")
    progress.record("c", "k", "torn")
    file = place / "progress.jsonl"
    file.write_bytes(file.read_bytes()[:-cut])
    left = ["first", "torn"] if cut == 1 else ["first"]  # only its newline is missing: the record is whole
    assert values() == left
    progress.record("c", "k", "after")
    assert values() == [*left, "after"]


@pytest.mark.parametrize("line", [b"\x00\x00\x00", b"\xff\xfe", b"[]", b"3", b'{"time": 1}', b"{", b""])
def test_a_damaged_line_is_skipped(place, line):
    progress.record("c", "k", 1)
    with (place / "progress.jsonl").open("ab") as file:
        file.write(line + b"\n")
    progress.record("c", "k", 2)
    assert values() == [1, 2]


def test_several_processes_at_once_lose_nothing():
    code = "import sys; from resnet_lessons import progress\nfor n in range(100): progress.record('c', sys.argv[1], [n] * 50)"
    running = [subprocess.Popen([sys.executable, "-c", code, str(worker)]) for worker in range(4)]
    assert [process.wait(60) for process in running] == [0] * 4
    found = progress.read()
    for worker in range(4):
        assert [r.value[0] for r in found if r.key == str(worker)] == list(range(100))


class NotJson:
    pass


@pytest.mark.parametrize("value", [NotJson(), {1, 2}, [NotJson()], 1j, b"bytes"])
def test_a_value_that_is_no_json_is_a_type_error_that_says_what_to_pass(value):
    with pytest.raises(TypeError, match=r"a string, number.*x\.tolist\(\)"):
        progress.record("c", "k", value)
    assert progress.read() == []


def test_a_numpy_number_is_refused_rather_than_guessed():
    numpy = pytest.importorskip("numpy")
    with pytest.raises(TypeError, match=r"float32.*float\(x\)"):
        progress.record("c", "k", numpy.float32(1.5))


def test_keys_that_are_no_strings_are_refused_rather_than_turned_into_strings():
    with pytest.raises(TypeError, match="the key 18 is a int"):
        progress.record("c", "k", [{"depths": {18: "basic"}}])


def test_chapter_and_key_are_strings():
    with pytest.raises(TypeError, match="int and str"):
        progress.record(1, "k", "v")  # type: ignore[arg-type]


def test_a_folder_that_cannot_be_written_warns_once_and_raises_nothing(tmp_path, monkeypatch):
    (tmp_path / "a_file").write_text("in the way")
    monkeypatch.setenv("RESNET_LESSONS_PROGRESS", str(tmp_path / "a_file"))
    with pytest.warns(UserWarning, match=r"could not note your progress in .*a_file.*RESNET_LESSONS_PROGRESS") as said:
        progress.record("c", "k", 1)
    shown = warnings.formatwarning(said[0].message, said[0].category, said[0].filename, said[0].lineno)
    assert shown.count("\n") == 1  # without a path or a line of our code
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        progress.record("c", "k", 2)
        assert progress.read() == []
        progress.clear()


@pytest.mark.parametrize("fitting", [0, 7])
def test_a_full_disk_warns_and_leaves_no_half_line(monkeypatch, fitting):
    progress.record("c", "k", "before")
    write = os.write

    def full(file, data):
        if not fitting:
            raise OSError(28, "No space left on device")
        return write(file, data[:fitting])

    with monkeypatch.context() as disk:
        disk.setattr(progress.os, "write", full)
        with pytest.warns(UserWarning, match="could not note"):
            progress.record("c", "k", "lost")
    assert values() == ["before"]
    progress.record("c", "k", "after")
    assert values() == ["before", "after"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such limit")
def test_a_disk_that_is_really_full_costs_what_does_not_fit_and_nothing_else():
    """The system itself refuses to let the file grow, as it does where a disk or a quota is full."""
    code = """
import resource, signal, warnings
from resnet_lessons import progress
warnings.simplefilter("ignore")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for number in range(50):
    progress.record("c", "k", number)
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
    kept = values()
    assert 5 < len(kept) < 50
    assert kept == list(range(len(kept)))
    progress.record("c", "k", "after")
    assert values() == [*kept, "after"]


@pytest.mark.skipif(os.name == "nt", reason="Windows kills in another way")
def test_a_kernel_that_is_killed_while_it_writes_costs_one_record_at_most():
    code = """
import itertools
from resnet_lessons import progress
for number in itertools.count():
    progress.record("c", "k", [number] * 200)
"""
    seen = 0
    for _ in range(3):
        running = subprocess.Popen([sys.executable, "-c", code])
        while len(progress.read()) < seen + 20:
            time.sleep(0.01)
        running.kill()
        running.wait(60)
        numbers = [value[0] for value in values()[seen:]]
        assert numbers == list(range(len(numbers))), "none is missing, none is there twice"
        seen += len(numbers)
    progress.record("c", "k", "after")
    assert values()[-1] == "after"


def test_without_locks_recording_still_works(monkeypatch):
    def no_locks(file):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(progress, "_lock", no_locks)
    progress.record("c", "k", 1)
    assert values() == [1]


def test_without_the_variable_it_lives_in_the_users_data_folder(monkeypatch):
    monkeypatch.delenv("RESNET_LESSONS_PROGRESS")
    assert progress.folder().name == "resnet-lessons"
    assert progress.folder().is_absolute()


def test_an_export_holds_every_record_and_overwrites_nothing(tmp_path):
    assert progress.export(tmp_path / "none.json") == 0
    progress.record("c", "größe", {"choice": "56 × 56"})
    assert progress.export(tmp_path / "mine.json") == 1
    (kept,) = json.loads((tmp_path / "mine.json").read_text(encoding="utf-8"))
    assert datetime.fromisoformat(kept.pop("time")) == progress.read()[0].time
    assert kept == {"chapter": "c", "key": "größe", "value": {"choice": "56 × 56"}}
    with pytest.raises(FileExistsError):
        progress.export(tmp_path / "mine.json")


def test_it_is_known_when_something_was_noted(place):
    assert progress.changed() == 0
    progress.record("c", "k", 1)
    before = progress.changed()
    assert before > 0
    os.utime(place / "progress.jsonl", (1, 1))
    progress.record("c", "k", 2)
    assert progress.changed() > 1


def test_what_could_not_be_cleared_is_said(place, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    progress.record("c", "k", 1)
    monkeypatch.setattr(progress.os, "truncate", refuse)
    with pytest.warns(UserWarning, match="could not clear"):
        assert progress.clear() is False
    assert values() == [1]
