"""What a worker does for one session, without its socket: `python -m bench.vault_operation FILE`.

The file is tmsd.toml. The first line of input is an OpenChannel in hexadecimal MessagePack; each
further line is a number, answered by as many channels that are opened, each with its receipt, and
the seconds that they took, and of processor time. bench/session.c is asked in the same way.
"""

import sys
import time
from pathlib import Path

from msgspec import msgpack

from hsm.hang import SharedAlarm
from tmsd.vault.card_messages import OpenChannel
from tmsd.worker.for_callers import begin_for_callers


def main() -> None:
    """Log in as a worker does, and open channels."""
    begun = begin_for_callers(Path(sys.argv[1]), for_appliance=False)
    context, make_receipt = begun.generations.context, begun.service.receipt
    if context is None or make_receipt is None:
        raise SystemExit("the worker is not logged in")
    request = msgpack.decode(bytes.fromhex(sys.stdin.readline()), type=OpenChannel)
    open_channel = begun.service.answers[OpenChannel]
    with begun.ending():
        for line in sys.stdin:
            wall, processor = time.perf_counter(), time.process_time()
            for _ in range(int(line)):
                with SharedAlarm():
                    make_receipt(context, 1, request, open_channel(context, request))
            processor = time.process_time() - processor
            print(time.perf_counter() - wall, processor, flush=True)  # noqa: T201  see above


if __name__ == "__main__":
    main()
