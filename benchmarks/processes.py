"""`gin inpaint` and `gin evaluate` in 1, 2 and 4 processes: photographs a second.

    python benchmarks/processes.py
    python benchmarks/processes.py --data photos/ --device cuda --counts 1 2 4 8

The time is that of whole commands, with the start of the processes and the loading of
weights. "hash" is that of the results (completed pictures; tables and measurements),
which must not depend on the number of processes.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _table import machine, show

from gin.data.sources import find_photographs

ROOT = Path(__file__).resolve().parents[1]
HEADER = ("command", "processes", "seconds", "photographs/s", "hash")
GIN = "import sys; from gin.cli.app import main; sys.exit(main(sys.argv[1:]))"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "photos")
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


def run(count: int, device: str, *arguments: str) -> float:
    """The seconds of a command in `count` processes, started by torchrun."""
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node")
    with TemporaryDirectory() as folder:
        program = Path(folder) / "run.py"
        program.write_text(GIN, encoding="utf-8")
        started = time.perf_counter()
        subprocess.run(
            [
                *(sys.executable, *launcher, str(count), str(program), *arguments),
                *("--devices", str(count), "--device", device),
            ],
            check=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
        )
        return time.perf_counter() - started


def digest(folder: Path, *patterns: str) -> str:
    content = hashlib.sha256()
    for path in sorted(p for pattern in patterns for p in folder.rglob(pattern)):
        content.update(path.read_bytes())
    return content.hexdigest()[:12]


def main() -> None:
    chosen = options()
    photographs = len(find_photographs(chosen.data))
    rows, data = [], str(chosen.data)
    with TemporaryDirectory() as folder:
        for count in chosen.counts:
            out = Path(folder) / str(count)
            where = ("--out", str(out / "inpaint"))
            masks = ("--random-mask", "cellular", "--seed", "7")
            seconds = run(count, chosen.device, "inpaint", data, *masks, *where)
            found = digest(out / "inpaint", "*.png")
            rows.append(("inpaint", count, seconds, photographs, found))
            where = ("--out", str(out / "table.md"))
            kinds = ("--masks", "rectangular")
            seconds = run(
                count, chosen.device, "evaluate", "--data", data, *kinds, *where
            )
            found = digest(out, "table.*", "records.csv")
            rows.append(("evaluate", count, seconds, photographs, found))
    print(machine(), "\n")
    show(
        HEADER,
        [
            (name, str(count), f"{seconds:.1f}", f"{number / seconds:.2f}", found)
            for name, count, seconds, number, found in sorted(rows, key=lambda r: r[0])
        ],
    )


if __name__ == "__main__":
    main()
