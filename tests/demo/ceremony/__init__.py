"""The demonstration of key ceremonies: `make demo-ceremony`, or `python -m tests.demo.ceremony`.

Two of three officers approve each step, custodians type and write down, and nobody of them is a
person. The commands are real, each on a terminal of its own, and everything that somebody would see
there is printed. Keys and shares are made by the run; its folder stays, for a look at what is
left of a ceremony.

    | file | noun |
    |---|---|
    | __main__.py | the story, top to bottom, and how it ends |
    | folder.py | the folder that stays: scripts, bindings, tokens, officers' keys, minutes |
    | first-keys.toml, second-token.toml | the scripts |
    | people.py | who is there, and what each of them types when asked |
    | officers_cards.py | two officers' cards, in readers of a real pcscd |
    | desk.py | a ceremony at its terminal, and who sees what of it |
    | records.py | minutes that are verified, altered and printed; inventories that are compared |
"""
