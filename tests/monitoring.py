"""What a reconciler process serves over HTTP."""

import urllib.error
import urllib.request
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.kube import eventually
from tests.metering import Labels, samples
from tests.patience import PATIENCE_S
from tests.reconciler_process import ReconcilerProcess


@dataclass(frozen=True)
class Server:
    """The reconciler's HTTP server."""

    port: int

    @classmethod
    def of(cls, process: ReconcilerProcess) -> "Server":
        """That of the process as it was started last."""
        process.await_event("serving")
        return cls([line["port"] for line in process.events() if line.get("event") == "serving"][-1])

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of an answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=PATIENCE_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def figures(self) -> dict[tuple[str, Labels], float]:
        """All metrics by name and labels."""
        return samples(text_string_to_metric_families(self.get("metrics")[1]))

    def is_idle(self) -> bool:
        """Whether nothing is due and nothing is done."""
        now = self.figures()
        names = ("workqueue_depth", "controller_runtime_active_workers")
        return not any(value for (name, _), value in now.items() if name in names)

    def figures_at_rest(self) -> dict[tuple[str, Labels], float]:
        """The figures when nothing is due and nothing is done."""
        for _ in range(3):
            eventually(self.is_idle, "nothing is left to do")
        return self.figures()
