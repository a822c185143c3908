# SPDX-License-Identifier: MIT
"""The program in the pictures of `top`: a shop that sells nothing. Nothing here knows of pyauditd.

shop.py SECONDS
"""
import functools
import http.server
import json
import math
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def serve():
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 8080), functools.partial(Quiet, directory="pages"))
    threading.Thread(target=server.serve_forever, daemon=True).start()


def read_order(number):
    with open("orders/%d.json" % (number % 40)) as file:
        return json.load(file)


def price(item, rates):
    return item["amount"] * rates[item["kind"]] * (1 + math.tau / 100)


def total(order, rates):
    return sum(price(item, rates) for item in order)


def store(database, number, amount):
    with database:
        database.execute("insert into bill values (?, ?)", (number, amount))


def take_orders(end):
    rates = {"book": 1.05, "tea": 1.1, "lamp": 1.2}
    database = sqlite3.connect("bills.db", timeout=60)
    for number in range(1 << 30):
        store(database, number, total(read_order(number), rates))
        if time.time() > end:
            break
        if number % 20 == 0:
            time.sleep(0.02 + 0.03 * math.sin(time.time() / 4) ** 2)


def make_pages(end):
    while time.time() < end:
        for name in os.listdir("orders"):
            with open("orders/" + name) as order, open("pages/" + name, "w") as page:
                page.write(order.read())
        with urllib.request.urlopen("http://127.0.0.1:8080/index.html") as answer:
            answer.read()
        time.sleep(0.15)


def look_for_changes(end):
    while time.time() < end:
        for _ in range(9000):
            os.listdir("empty")
        subprocess.run(["uname", "-r"], stdout=subprocess.DEVNULL, check=True)
        time.sleep(5)


def main(end):
    for folder in "orders", "pages", "empty":
        os.makedirs(folder, exist_ok=True)
    kinds = ["book", "tea", "lamp"]
    for number in range(40):
        with open("orders/%d.json" % number, "w") as file:
            json.dump([{"kind": kinds[i % 3], "amount": i} for i in range(number % 7 + 1)], file)
    with open("pages/index.html", "w") as file:
        file.write("<h1>Shop</h1>\n")
    sqlite3.connect("bills.db").execute("create table if not exists bill (number, amount)")
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=work, args=(end,))
               for work in (take_orders, make_pages, look_for_changes)]
    for worker in workers:
        worker.start()
    serve()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main(time.time() + float(sys.argv[1]))
