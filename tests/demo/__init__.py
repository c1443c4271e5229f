"""The demonstration: `make demo`, or `python -m tests.demo`.

It builds a site, serves it, opens secure channels to virtual cards, and shows what is
refused. Nothing is prepared: every key, card and certificate is made by the run and gone
after it, and every line that looks like a result is one.

A ceremony has a demonstration of its own, in ceremony/.

    | file | noun |
    |---|---|
    | __main__.py | the story, top to bottom, and how it ends |
    | setting_up.py, channels.py, refusals.py, records.py | its chapters, a function for each step |
    | key_changeover.py, proofs.py | the chapter between: new keys, and what cards prove |
    | tps.py | a token processing system in miniature, as an integrator would write it |
    | anybody.py | what a card's keys are good for in any hands |
    | site.py | the directory that tmsctl makes, and tmsd serving it |
    | issuer.py | who owns the master keys and personalises cards with what comes of them |
    | cards.py | virtual cards in virtual readers of a real pcscd |
    | findings.py | what was expected, what happened, and the difference between the two |
    | screen.py | what is printed |
    | interruption.py | Ctrl-C |
"""
