"""A PKCS#11 module that hands everything on to another, and counts logins on the way.

It is one file of C, compiled for the test session: what is counted are the calls that the
real module gets, whoever makes them and in however many processes.
"""
