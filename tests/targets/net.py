# SPDX-License-Identifier: MIT
"""Sockets of every family that a machine without a network has, and what stands on them."""
import asyncio
import contextlib
import ftplib
import http.client
import http.server
import imaplib
import os
import poplib
import smtplib
import socket
import sys
import tempfile
import threading
import urllib.error
import urllib.request
import warnings

import oracle

may_fail = contextlib.suppress(OSError)


def tcp(family, host):
    with socket.socket(family) as server:
        server.bind((host, 0))
        server.listen(1)
        done = threading.Thread(target=lambda: server.accept()[0].close())
        done.start()
        with socket.socket(family, socket.SOCK_STREAM, 0) as client:
            client.connect(server.getsockname())
        done.join()
        socket.create_connection(server.getsockname()[:2]).close()
    with socket.socket(family) as refused:
        refused.connect_ex((host, 1))
        with may_fail:
            refused.connect((host, 1))


def udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        address = server.getsockname()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"x", address)
            client.sendto(b"x", 0, address)
            client.sendmsg([b"a", b"b"], [], 0, address)
            client.connect(address)
            client.sendmsg([b"connected"])
            with may_fail:
                client.sendto(b"x", ("localhost", address[1]))


def unix(folder):
    path = folder + "/s.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(2)
        for name in (path, os.fsencode(path)):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(name)
    for name in (b"\0pyauditd-test-%d" % os.getpid(), folder + "/caf\u00e9", folder + "/\udcff"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
            server.bind(name)
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
                client.sendto(b"x", name)
    with socket.socket(socket.AF_UNIX) as client, may_fail:
        client.connect(folder + "/nobody")
    a, b = socket.socketpair()
    a.close(), b.close()


def other_families():
    with may_fail, socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
        s.bind((0, 0))
    with may_fail, socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as s:
        s.bind(("lo", 0))
    with may_fail, socket.socket(socket.AF_INET6) as s:
        s.connect(("::1", 1, 0, 0))
    with socket.socket() as s:
        for wrong in ("text", ("127.0.0.1",), ("127.0.0.1", "80"), None, ("127.0.0.1", 70000)):
            with contextlib.suppress(TypeError, OSError, OverflowError):
                s.connect(wrong)


def names():
    socket.gethostname()
    for call in (lambda: socket.getaddrinfo("127.0.0.1", 80),
                 lambda: socket.getaddrinfo("::1", "http", 0, socket.SOCK_STREAM),
                 lambda: socket.getaddrinfo(b"localhost", None),
                 lambda: socket.getaddrinfo(None, 0, flags=socket.AI_PASSIVE),
                 lambda: socket.getaddrinfo("127.0.0.1", "80%"),
                 lambda: socket.gethostbyname("127.0.0.1"),
                 lambda: socket.gethostbyname_ex("localhost"),
                 lambda: socket.gethostbyaddr("127.0.0.1"),
                 lambda: socket.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST),
                 lambda: socket.getservbyname("http"),
                 lambda: socket.getservbyname("http", "tcp"),
                 lambda: socket.getservbyport(80, "tcp")):
        with may_fail:
            call()


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        pass


def web(folder):
    os.chdir(folder)
    with open("page", "w") as f:
        f.write("hello")
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    url = "http://127.0.0.1:%d/page" % server.server_port
    try:
        urllib.request.urlopen(url).close()
        urllib.request.urlopen(urllib.request.Request(
            url, data=b"secret=1", headers={"Authorization": "Bearer x"})).close()
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(url + "/none?token=t&x=1")
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
        connection.request("GET", "/page")
        connection.getresponse().read()
        connection.close()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        os.chdir("/")


def mail():
    """Clients that find nobody: the event comes before the connection."""
    for connect in (lambda: ftplib.FTP().connect("127.0.0.1", 1),
                    lambda: smtplib.SMTP("127.0.0.1", 1),
                    lambda: poplib.POP3("127.0.0.1", 1),
                    lambda: imaplib.IMAP4("127.0.0.1", 1)):
        with may_fail:
            connect()
    if sys.version_info < (3, 13):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import nntplib
            import telnetlib
        with may_fail:
            telnetlib.Telnet("127.0.0.1", 1)
        with may_fail:
            nntplib.NNTP("127.0.0.1", 1)


def smtp_session():
    """A server that says yes to everything, and a message with a password before it."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)

        def serve():
            peer = server.accept()[0]
            with peer, peer.makefile("rwb", buffering=0) as lines:
                lines.write(b"220 hello\r\n")
                for line in lines:
                    word = line[:4].upper()
                    lines.write(b"250-x\r\n250 AUTH PLAIN\r\n" if word == b"EHLO" else
                                b"235 ok\r\n" if word == b"AUTH" else
                                b"354 go\r\n" if word == b"DATA" else
                                b"250 ok\r\n" if word in (b"MAIL", b"RCPT", b".\r\n") else
                                b"221 bye\r\n" if word == b"QUIT" else b"")

        thread = threading.Thread(target=serve)
        thread.start()
        client = smtplib.SMTP(*server.getsockname())
        client.login("user", "a secret")
        client.sendmail("a@b", ["c@d"], "Subject: x\n\ntext\n")
        client.quit()
        thread.join()


async def streams():
    async def echo(reader, writer):
        writer.write(await reader.read(10))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"hello")
    await reader.read(10)
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


def main():
    with tempfile.TemporaryDirectory() as folder:
        tcp(socket.AF_INET, "127.0.0.1")
        with may_fail:
            tcp(socket.AF_INET6, "::1")
        udp()
        unix(folder)
        other_families()
        names()
        web(folder)
        mail()
        smtp_session()
        asyncio.run(streams())


if __name__ == "__main__":
    oracle.run(main)
