"""Kill trainings at random moments, resume them, and compare their last bits with those of undisturbed ones.

    .venv/bin/python tools/stress.py --kills 50 --frameworks pytorch tensorflow

Each training is killed by SIGKILL at moments drawn from the time that it takes (updates, tests, the writing of
checkpoints, resuming), until it comes to its end; then the next begins, until there were enough kills.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VICTIM = ROOT / "tests" / "training" / "victim.py"


def main() -> int:
    """Return 0 if every training ended with the bits of the undisturbed one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="for each framework")
    parser.add_argument("--frameworks", nargs="+", default=["pytorch", "tensorflow"])
    parser.add_argument("--seed", type=int, default=None)
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else int(time.time())
    print(f"seed {seed}", flush=True)
    different = 0
    for framework in asked.frameworks:
        with tempfile.TemporaryDirectory(prefix="resnet-lessons-stress-") as folder:
            different += stress(framework, asked.kills, Path(folder), random.Random(seed))
    return 1 if different else 0


def stress(framework: str, kills: int, folder: Path, chance: random.Random) -> int:
    """Return how many trainings of a framework ended differently."""
    whole = folder / "whole"
    process = train(framework, whole)
    start = begins(process)
    _, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"the undisturbed training failed:\n{errors}")
    seconds = time.perf_counter() - start
    done = trainings = different = 0
    while done < kills:
        run = folder / f"killed-{trainings}"
        while True:
            process = train(framework, run)
            begins(process)
            try:
                _, errors = process.communicate(timeout=chance.uniform(0, seconds) if done < kills else None)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                done += 1
                continue
            if process.returncode:
                raise SystemExit(f"a resumed training failed after {done} kills:\n{errors}")
            break
        trainings += 1
        same = ended(run) == ended(whole)
        different += not same
        print(f"{framework}: {done} kills, training {trainings}: {'same bits' if same else 'DIFFERENT'}", flush=True)
        shutil.rmtree(run)
    return different


def train(framework: str, run: Path) -> subprocess.Popen[str]:
    """Start or resume a training."""
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, VICTIM, framework, run, "--resume"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )


def begins(process: subprocess.Popen[str]) -> float:
    """Wait until a training's imports are done, and return the time."""
    assert process.stdout is not None
    process.stdout.readline()
    return time.perf_counter()


def ended(run: Path) -> tuple[bytes, list[str]]:
    """Return a finished run's weights, and its history without the seconds."""
    lines = (run / "history.csv").read_text().splitlines()
    return (run / "weights.safetensors").read_bytes(), [line.rpartition(",")[0] for line in lines]


if __name__ == "__main__":
    sys.exit(main())
