"""Run one job at a time in a background thread, with progress and cancellation."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from gin.errors import InputError

Result = TypeVar("Result")
OUT_OF_MEMORY = (
    "There is not enough memory for this photograph; try a smaller one or another "
    "method."
)


class Cancelled(Exception):
    """Raised inside a job that is cancelled."""


class Progress:
    """Calls `callback` with a job's progress, 0 to 1, and cancels the job."""

    def __init__(self, callback: Callable[[float], None] = lambda _: None) -> None:
        self._callback = callback
        self._cancelled = threading.Event()

    @property
    def cancelled(self) -> bool:
        """Whether the job is cancelled."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Make the next `update` raise Cancelled."""
        self._cancelled.set()

    def update(self, progress: float) -> None:
        """Report progress, 0 to 1. Raises Cancelled if the job is cancelled."""
        if self.cancelled:
            raise Cancelled
        self._callback(progress)


@dataclass(frozen=True)
class State(Generic[Result]):
    """The state of a `Controller`."""

    running: bool = False  #: whether a job runs
    stopping: bool = False  #: whether the running job is cancelled
    progress: float = 0.0  #: of the job, 0 to 1
    message: str = ""  #: a sentence for the user, on `error` if there is one
    error: Exception | None = None  #: what the last job raised
    result: Result | None = None  #: of the last job that succeeded


class Controller(Generic[Result]):
    """Runs jobs, one at a time; a new job cancels the running and the waiting one.

    `callback` is called with every new state, one call at a time, from any thread.
    """

    def __init__(
        self, callback: Callable[[State[Result]], None] = lambda _: None
    ) -> None:
        self.state: State[Result] = State()
        self._callback = callback
        self._lock = threading.RLock()
        self._waiting: Callable[[Progress], Result] | None = None
        self._progress = Progress()
        self._thread: threading.Thread | None = None

    def start(self, job: Callable[[Progress], Result]) -> None:
        """Run `job` in the background once the running job has stopped."""
        with self._lock:
            self._waiting = job
            self._progress.cancel()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._set(running=True, stopping=False, progress=0.0, message="")
                self._thread.start()

    def cancel(self) -> None:
        """Cancel the running and the waiting job; the last result stays."""
        with self._lock:
            self._waiting = None
            if self._thread is not None:
                self._progress.cancel()
                self._set(stopping=True)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for all jobs; False if one still runs after `seconds`."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return not self.state.running

    def _work(self) -> None:
        while (job := self._next()) is not None:
            changes = self._run(job)
            with self._lock:
                cancelled = self._progress.cancelled
                self._set(**({"message": "Cancelled."} if cancelled else changes))

    def _next(self) -> Callable[[Progress], Result] | None:
        """The waiting job; None, and the thread ends, without one."""
        with self._lock:
            job, self._waiting = self._waiting, None
            if job is None:
                self._thread = None
                self._set(running=False, stopping=False)
                return None
            self._progress = Progress(lambda progress: self._set(progress=progress))
            self._set(stopping=False, progress=0.0, message="", error=None)
            return job

    def _run(self, job: Callable[[Progress], Result]) -> dict[str, Any]:
        """Run a job; -> its changes of the state."""
        try:
            return {"result": job(self._progress), "progress": 1.0}
        except Cancelled:
            return {"message": "Cancelled."}
        except Exception as error:  # of any type: it is shown on the page
            return {"message": error_message(error), "error": error}

    def _set(self, **changes: Any) -> None:
        with self._lock:
            self.state = replace(self.state, **changes)
            self._callback(self.state)


def error_message(error: Exception) -> str:
    """The message of an error as one sentence for the user, without a traceback."""
    if isinstance(error, InputError):
        text = str(error)
        if ": " not in text:  # what stands before a colon is a name, as it is
            text = text[:1].upper() + text[1:]
        return text if text.endswith(".") else f"{text}."
    if isinstance(error, ModuleNotFoundError):
        return f"The package {error.name} is not installed."
    if isinstance(error, MemoryError) or "not enough memory" in str(error):
        return OUT_OF_MEMORY
    reason = (str(error).splitlines() or [""])[0]
    return f"This did not work ({type(error).__name__}{reason and ': ' + reason})."
