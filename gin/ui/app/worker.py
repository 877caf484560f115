"""One completion at a time in the background: progress, cancel, the last result.

Knows nothing of widgets, and nothing of photographs.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from gin.errors import InputError

Result = TypeVar("Result")
NO_MEMORY = (
    "There is not enough memory for this photograph; try a smaller one or another "
    "method."
)


class Cancelled(Exception):
    """Ends a job that was told to stop."""


class Watch:
    """What a job reports to, and what tells it to stop."""

    def __init__(self, tell: Callable[[float], None] = lambda _: None) -> None:
        self._tell = tell
        self._stopped = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether the job is to stop."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """The next `tick` raises Cancelled."""
        self._stopped.set()

    def tick(self, progress: float) -> None:
        """Report progress, 0 to 1. Raises Cancelled if the job is to stop."""
        if self.stopped:
            raise Cancelled
        self._tell(progress)


@dataclass(frozen=True)
class State(Generic[Result]):
    """What a person should see. `said` is a sentence, about `error` if there is one.

    `result` is that of the last job that ended well, whatever came after it.
    """

    running: bool = False
    stopping: bool = False
    progress: float = 0.0
    said: str = ""
    error: Exception | None = None
    result: Result | None = None


class Controller(Generic[Result]):
    """Runs jobs, never two at once; the newest replaces what runs and what waits.

    Args:
        tell: called with every new state, one call at a time, from any thread.
    """

    def __init__(self, tell: Callable[[State[Result]], None] = lambda _: None) -> None:
        self.state: State[Result] = State()
        self._tell = tell
        self._lock = threading.RLock()
        self._waiting: Callable[[Watch], Result] | None = None
        self._watch = Watch()
        self._thread: threading.Thread | None = None

    def start(self, job: Callable[[Watch], Result]) -> None:
        """Run `job` in the background, as soon as what runs now has stopped."""
        with self._lock:
            self._waiting = job
            self._watch.stop()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._set(running=True, stopping=False, progress=0.0, said="")
                self._thread.start()

    def cancel(self) -> None:
        """Stop what runs and forget what waits; the last result stays."""
        with self._lock:
            self._waiting = None
            if self._thread is not None:
                self._watch.stop()
                self._set(stopping=True)

    def wait(self, seconds: float | None = None) -> bool:
        """Whether everything has ended, after at most so many seconds."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return not self.state.running

    def _work(self) -> None:
        while (job := self._next()) is not None:
            ended = self._run(job)
            with self._lock:
                stopped = self._watch.stopped
                self._set(**({"said": "Cancelled."} if stopped else ended))

    def _next(self) -> Callable[[Watch], Result] | None:
        """The job that waits; without one the thread's work is over."""
        with self._lock:
            job, self._waiting = self._waiting, None
            if job is None:
                self._thread = None
                self._set(running=False, stopping=False)
                return None
            self._watch = Watch(lambda progress: self._set(progress=progress))
            self._set(stopping=False, progress=0.0, said="", error=None)
            return job

    def _run(self, job: Callable[[Watch], Result]) -> dict[str, Any]:
        """What the job changes in the state."""
        try:
            return {"result": job(self._watch), "progress": 1.0}
        except Cancelled:
            return {"said": "Cancelled."}
        except Exception as error:  # whatever a method raises, the page goes on
            return {"said": sentence(error), "error": error}

    def _set(self, **changes: Any) -> None:
        with self._lock:
            self.state = replace(self.state, **changes)
            self._tell(self.state)


def sentence(error: Exception) -> str:
    """What went wrong, for a person: one sentence, and never a traceback."""
    if isinstance(error, InputError):
        said = " ".join(str(error).split())
        return f"{said[:1].upper()}{said[1:]}{'' if said.endswith('.') else '.'}"
    if isinstance(error, ModuleNotFoundError):
        return f"The package {error.name} is not installed."
    if isinstance(error, MemoryError) or "not enough memory" in str(error):
        return NO_MEMORY
    reason = (str(error).splitlines() or [""])[0]
    return f"This did not work ({type(error).__name__}{reason and ': ' + reason})."
