"""Another distribution, `gin-config`, has the same import name as this one."""

from importlib.metadata import PackageNotFoundError, version


def check_import_name() -> None:
    """Refuse to run beside `gin-config`, whose files and ours overwrite each other.

    Both install into a folder called `gin`, so a half of one and a half of the
    other would be imported, and fail later with a puzzling message.

    Raises:
        ImportError: `gin-config` is installed in this environment.
    """
    try:
        found = version("gin-config")
    except PackageNotFoundError:
        return
    raise ImportError(
        f"gin-config {found} is installed in this environment and has the same "
        "import name, gin, as deepgin-book, so the two overwrite each other: use a "
        "separate environment, or run `pip uninstall gin-config` and then reinstall "
        "deepgin-book with `pip install --force-reinstall --no-deps deepgin-book`."
    )
