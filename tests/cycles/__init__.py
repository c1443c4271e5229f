"""Losing the HSM and finding it again, over and over, with callers at work.

Each cycle breaks one thing: the token's folder goes away, another process initialises the token, a
PKCS#11 function fails, dawdles or hangs, or a worker is killed. When it is mended, the site has to
serve within five seconds, with all times as the daemon has them by default; for how long its
processes waited for a processor that others had is told, and does not count. Callers never stop
meanwhile; every answer that they get is checked by their cards, and stands in an audit log that
`tmsctl audit verify` finds whole at the end.

    python -m tests.cycles --cycles 1000           as `make cycles CYCLES=1000` does
    python -m tests.cycles --cycles 200 --seed 7   the same order as with seed 7 before
    python -m tests.cycles --workers 1             with a single worker, so that each loss is felt
"""
