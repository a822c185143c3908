# SPDX-License-Identifier: MIT
"""The Python package in a program that is traced already: start(), stop() and status()."""
import json
import os
import sys

import pyauditd


def say(what):
    status = pyauditd.status()
    assert status["attempted"] == \
        status["counted"] + status["recorded"] + sum(status["lost"].values()), status
    print(json.dumps({"what": what, "status": status}))


def raises(expected, **settings):
    try:
        pyauditd.start(**settings)
    except expected:
        return
    raise AssertionError("%r was accepted" % settings)


if __name__ == "__main__":
    say("begin")
    sys.audit("api.one")
    pyauditd.start()
    pyauditd.start(events="all", stack=3)
    sys.audit("api.two")
    raises(ValueError, events="no.such.event")
    raises(ValueError, mode="sideways")
    raises(ValueError, ring_bytes=-1)
    raises(ValueError, stack=-1)
    sys.audit("api.three")
    say("started twice")
    pyauditd.stop()
    sys.audit("api.unseen")
    os.listdir("/")
    say("stopped")
    pyauditd.stop()
    pyauditd.start()
    sys.audit("api.four")
    say("started again")
