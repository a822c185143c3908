# SPDX-License-Identifier: MIT
"""The job that `make demo` traces: demo_job.py FOLDER. Nothing here knows of pyauditd."""
import functools
import http.server
import os
import sqlite3
import subprocess
import sys
import threading
import urllib.request
import venv


def make_environment(folder):
    venv.create(os.path.join(folder, "env"), with_pip=False)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def serve_and_fetch(folder):
    with open(os.path.join(folder, "page.html"), "w") as f:
        f.write("<h1>hello</h1>\n")
    handler = functools.partial(Quiet, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = "http://127.0.0.1:%d/page.html" % server.server_port
    with urllib.request.urlopen(url) as answer:
        text = answer.read()
    server.shutdown()
    server.server_close()
    return text


def store(folder, text):
    database = sqlite3.connect(os.path.join(folder, "store.db"))
    database.execute("create table page (text)")
    database.execute("insert into page values (?)", (text.decode(),))
    database.commit()
    database.close()


def main(folder):
    make_environment(folder)
    store(folder, serve_and_fetch(folder))
    subprocess.run([sys.executable, "-c", "import json; json.dumps([1])"], check=True)
    subprocess.run(["uname", "-s"], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main(sys.argv[1])
