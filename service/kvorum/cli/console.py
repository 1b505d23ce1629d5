"""Where a command reads and prints: handed in, so that a test can look at all of it."""

from typing import NamedTuple, TextIO


class Console(NamedTuple):
    """Results go to ``stdout``; questions and errors to ``stderr``."""

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO

    def say(self, text: str) -> None:
        print(text, file=self.stdout)

    def write(self, raw: bytes) -> None:
        """Bytes as they are, in turn with :meth:`say`."""
        self.stdout.flush()
        self.stdout.buffer.write(raw)
        self.stdout.buffer.flush()

    def warn(self, text: str) -> None:
        print(text, file=self.stderr, flush=True)

    def ask(self, question: str) -> str:
        """What the user types; "" at the end of input."""
        print(question, end=" ", file=self.stderr, flush=True)
        return self.stdin.readline().strip()
