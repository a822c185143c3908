# SPDX-License-Identifier: MIT
"""One side of bench-programs: one_program.py SIDE PROGRAM FOLDER -> one JSON object.

SIDE and PROGRAM as in tracers.py and programs.py; FOLDER is where they may write.
    seconds, cpu        that the work took, in time and in this thread's processor time, after one
                        round of it without the tracer
    missing, failed     instead: why there is no figure
"""
import json
import sys
import time

import programs
import tracers


def main():
    side, program, folder = sys.argv[1:]
    prepare, rounds, parts = programs.PROGRAMS[program]
    try:
        work = prepare(folder)
        work(1)
    except Exception as error:  # whatever an older or newer Python makes of it
        print(json.dumps({"missing": "%s: %s" % (type(error).__name__, error)}))
        return
    try:
        stop = tracers.start(side, folder)
    except tracers.Missing as error:
        print(json.dumps({"missing": str(error)}))
        return
    best = {"seconds": 1e9, "cpu": 1e9}
    for _ in range(parts):
        start, start_cpu = time.perf_counter(), time.thread_time()
        work(rounds)
        best["seconds"] = min(best["seconds"], time.perf_counter() - start)
        best["cpu"] = min(best["cpu"], time.thread_time() - start_cpu)
    stop()
    print(json.dumps(best))


main()
