"""Download one source archive through pip's own index machinery.

A program, started as `python -P _sdist.py FILE_NAME DESTINATION` in a process of its
own. `pip download` would run the archive's setup.py to learn its metadata; this
only looks up the address and copies the bytes, so nothing of the archive is run.
pip's configuration (index, proxy, certificates, credentials) applies. These are
pip's internals: where a release changes them, the program fails and says so.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

ATTEMPTS = ("--retries=1", "--no-binary=:all:")


def download(file_name: str, destination: Path) -> None:
    """Copy `file_name` ("name-version.tar.gz") from the index to `destination`."""
    name = file_name.rpartition("-")[0].replace("_", "-")
    commands: Any = importlib.import_module("pip._internal.commands")
    command = commands.create_command("index")
    options, _ = command.parse_args(["versions", name, *ATTEMPTS])
    with command._build_session(options) as session, destination.open("wb") as file:
        finder = command._build_package_finder(options=options, session=session)
        links = [found.link for found in finder.find_all_candidates(name)]
        url = next((x.url for x in links if x.filename == file_name), None)
        if url is None:
            sys.exit(f"the package index that pip is set up for has no {file_name}")
        as_it_is = {"Accept-Encoding": "identity"}  # or the .gz would be unpacked
        answer = session.get(url.partition("#")[0], headers=as_it_is, stream=True)
        answer.raise_for_status()
        for chunk in answer.iter_content(1 << 20):
            file.write(chunk)


if __name__ == "__main__":
    download(sys.argv[1], Path(sys.argv[2]))
