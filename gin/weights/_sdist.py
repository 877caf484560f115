"""Download a source archive with pip's index client.

A program: `python -P _sdist.py FILE_NAME DESTINATION`. `pip download` would run the
archive's setup.py for its metadata; this program only looks up the URL and copies the
bytes. pip's configuration (index, proxy, certificates, credentials) applies. The
program uses pip's internals and fails with an error if a release changes them.
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
        links = [candidate.link for candidate in finder.find_all_candidates(name)]
        url = next((link.url for link in links if link.filename == file_name), None)
        if url is None:
            sys.exit(f"the package index that pip is set up for has no {file_name}")
        headers = {"Accept-Encoding": "identity"}  # else the .gz is unpacked
        response = session.get(url.partition("#")[0], headers=headers, stream=True)
        response.raise_for_status()
        for chunk in response.iter_content(1 << 20):
            file.write(chunk)


if __name__ == "__main__":
    download(sys.argv[1], Path(sys.argv[2]))
