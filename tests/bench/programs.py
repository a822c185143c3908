# SPDX-License-Identifier: MIT
"""Whole programs for bench-programs: each a fixed amount of work, 0.3 to 0.8 s untraced.

Seven are pyperformance's own sources, run without its harness, one transpiles SQL, and one does
mostly input and output. PROGRAMS: name -> a function that prepares and returns the work, which
takes a number of rounds; how many rounds are the work; how often it is done, where the lowest
time counts.
"""
import http.server
import importlib.util
import os
import shutil
import sys
import threading
import time
import types
import urllib.request

PYPERFORMANCE = os.environ.get("BENCH_PYPERFORMANCE", "") + \
    "/pyperformance/data-files/benchmarks/bm_%s/"


def source(name):
    """The module of a benchmark of pyperformance. Of pyperf it needs the clock alone."""
    sys.modules["pyperf"] = types.SimpleNamespace(perf_counter=time.perf_counter)
    spec = importlib.util.spec_from_file_location(
        "bm_" + name, PYPERFORMANCE % name + "run_benchmark.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def repeated(function, *args):
    def work(rounds):
        for _ in range(rounds):
            function(*args)
    return work


def richards(folder):
    return source("richards").Richards().run


def deltablue(folder):
    return repeated(source("deltablue").delta_blue, 100)


def go(folder):
    return repeated(source("go").versus_cpu)


def raytrace(folder):
    module = source("raytrace")
    return lambda rounds: module.bench_raytrace(rounds, 50, 50, None)


def hexiom(folder):
    module = source("hexiom")
    return lambda rounds: module.main(rounds, module.DEFAULT_LEVEL)


def pyflate(folder):
    module = source("pyflate")
    return lambda rounds: module.bench_pyflake(
        rounds, PYPERFORMANCE % "pyflate" + "data/interpreter.tar.bz2")


def json_dumps(folder):
    module = source("json_dumps")
    data = [(obj, range(count)) for obj, count in (getattr(module, name) for name in module.CASES)]
    return repeated(module.bench_json_dumps, data)


QUERIES = [
    "SELECT a, b + 1 AS c FROM t WHERE d IN (1, 2, 3) AND e LIKE '%x%' ORDER BY c DESC LIMIT 10",
    """SELECT l_returnflag, l_linestatus, SUM(l_quantity) AS sum_qty,
        SUM(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS sum_charge, COUNT(*) AS n
        FROM lineitem WHERE CAST(l_shipdate AS date) <= date '1998-09-02'
        GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus""",
    """WITH ranked AS (SELECT o_custkey, o_totalprice, ROW_NUMBER() OVER (PARTITION BY o_custkey
        ORDER BY o_totalprice DESC) AS place FROM orders JOIN customer ON o_custkey = c_custkey
        LEFT JOIN nation ON c_nationkey = n_nationkey WHERE n_name <> 'FRANCE')
        SELECT o_custkey, CASE WHEN o_totalprice > 1000 THEN 'high' WHEN o_totalprice > 100
        THEN 'middle' ELSE 'low' END AS class FROM ranked WHERE place <= 3""",
    """SELECT s_name FROM supplier WHERE EXISTS (SELECT 1 FROM partsupp WHERE ps_suppkey = s_suppkey
        AND ps_availqty > (SELECT 0.5 * SUM(l_quantity) FROM lineitem WHERE l_partkey = ps_partkey))
        UNION ALL SELECT COALESCE(x, y || 'z') FROM u WHERE NOT z IS NULL""",
]


def sqlglot(folder):
    transpile = __import__("sqlglot").transpile

    def work(rounds):
        for _ in range(rounds):
            for query in QUERIES:
                for dialect in "spark", "bigquery", "mysql":
                    transpile(query, read="duckdb", write=dialect)
    return work


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def input_output(folder):
    """Copies files, reads them, and fetches them from a server of its own over loopback."""
    os.mkdir(folder + "/io")
    names = ["%s/io/%d" % (folder, i) for i in range(4)]
    for name in names:
        with open(name, "wb") as file:
            file.write(os.urandom(1 << 20) * 8)

    def handler(*args):
        return Handler(*args, directory=folder + "/io")

    def work(rounds):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        try:
            for _ in range(rounds):
                for name in names:
                    shutil.copyfile(name, name + ".copy")
                    with open(name + ".copy", "rb") as file:
                        while file.read(1 << 18):
                            pass
                    with urllib.request.urlopen("http://127.0.0.1:%d/%s" % (
                            server.server_port, os.path.basename(name))) as answer:
                        while answer.read(1 << 18):
                            pass
        finally:
            server.shutdown()
            server.server_close()
    return work


PROGRAMS = {
    "richards": (richards, 12, 1),
    "deltablue": (deltablue, 170, 1),
    "go": (go, 4, 1),
    "raytrace": (raytrace, 8, 1),
    "hexiom": (hexiom, 90, 1),
    "pyflate": (pyflate, 1, 1),
    "json_dumps": (json_dumps, 50, 1),
    "sqlglot": (sqlglot, 50, 1),
    "input/output": (input_output, 2, 8),
}
