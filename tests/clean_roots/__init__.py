"""The two commands in clean roots of Debian: `make clean-roots`, as root, on a Debian machine.

For each release a root is made by debootstrap, once. For each case a copy of it gets a clone of
what is committed here, and `make demo` and `make test` run in it, with namespaces of its own, by
root, or by an ordinary user with sudo, or by one without, who is first told what root has to
install. Mirror, proxies, certificates and pip's sources are those of the machine.
"""
