"""The audit log, read while the daemon writes it."""

from collections import defaultdict
from pathlib import Path
from threading import Lock

from tmsd.audit.record import Record


class AuditTrail:
    """The records of a chain file by request; what was read once is not read again."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read = 0
        self._lock = Lock()
        self._records: list[Record] = []
        self._by_request: dict[str, list[Record]] = defaultdict(list)

    @property
    def records(self) -> list[Record]:
        """All records so far, in their order."""
        with self._lock:
            self._catch_up()
            return list(self._records)

    def of_request(self, request_id: str) -> list[Record]:
        """Return the records that say to belong to a request."""
        with self._lock:
            self._catch_up()
            return list(self._by_request[request_id])

    def _catch_up(self) -> None:
        with self._file.open("rb") as file:
            file.seek(self._read)
            unread = file.read()
        whole = unread[: unread.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines(keepends=True):
            record = Record.parse(line)
            self._records.append(record)
            if record.decision.request_id is not None:
                self._by_request[record.decision.request_id].append(record)
