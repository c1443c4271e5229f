"""A whole site for tests: a real daemon, its worker, a SoftHSM token, TLS, cards and callers.

    | file | noun |
    |---|---|
    | batches.py | cards of one key set each, and the master keys that they come from |
    | changeovers.py | cards on their way from one key set to another |
    | transport_keys.py | what the HSM shares with callers that get session keys |
    | identities.py | certificates of the daemon and of those who call it |
    | crls.py | what a CA of theirs revoked |
    | directory.py | `Site`: a directory with everything that a daemon needs |
    | daemon.py | `Daemon`: a running one, and its processes |
    | audit_trail.py | the audit log, read beside the daemon |
    | caller.py | `Caller`: requests as bytes, answers as bytes |
    | card_desk.py | `CardDesk`: cards taken all the way, whatever fails meanwhile |
    | faulty.py | `FaultySite`: one whose HSM fails as a test orders |
    | contract.py | what must hold of every answer, whatever was asked |
    | channels.py | a card and a caller on the way to a secure channel |
    | fixtures.py | the same for pytest |

Every answer that a `Caller` gets is held against the OpenAPI document, the route's list of
refusals and the audit log, so that each test of the API is a test of those as well.
"""
