#!/usr/bin/env python3
"""What does a full queue cost, and how soon is the server there again with it?

Starts `guardpost serve`, fills its queue with messages whose domains cannot be looked up, waits until each was tried,
shows that one more is refused, stops it, and starts it again. Prints memory and times. usage: queue.py GUARDPOST [MESSAGES]
"""
import pathlib
import re
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

guardpost, messages = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
SESSIONS, PASSWORD, ALICE = 8, "seven slow trains, one line", "alice@house.example"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def no_names(server):
    """Says SERVFAIL to everything."""
    while True:
        question, asker = server.recvfrom(4096)
        server.sendto(question[:2] + b"\x81\x82\x00\x01" + bytes(6) + question[12:].split(b"\0\0\x29")[0], asker)


class Served:
    """The running server, and what it says."""

    def __init__(self, config):
        self.begin = time.perf_counter()
        self.process = subprocess.Popen([guardpost, "--config", config, "serve"], stderr=subprocess.PIPE, text=True)
        self.moved, self.tried, self.ready, self.ended = threading.Condition(), 0, None, False
        threading.Thread(target=self.listen, daemon=True).start()
        self.wait(lambda: self.ready)

    def listen(self):
        for line in self.process.stderr:
            with self.moved:
                self.tried += "not delivered yet" in line
                if re.search(r" ready\b", line) and not self.ready:
                    self.ready = time.perf_counter() - self.begin
                self.moved.notify_all()
        with self.moved:
            self.ended = True
            self.moved.notify_all()

    def wait(self, done):
        with self.moved:
            if not self.moved.wait_for(lambda: done() or self.ended, timeout=1800) or not done():
                sys.exit("the server ended, or is stuck")

    def memory(self, field):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+)", status)[1]) / 1024

    def stop(self):
        begin = time.perf_counter()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        return time.perf_counter() - begin


def fill(port, numbers, refusals):
    """A session takes only so many commands; a program connects again, and so does this."""
    for begin in range(0, len(numbers), 200):
        session(port, numbers[begin:begin + 200], refusals)


def session(port, numbers, refusals):
    smtp = smtplib.SMTP_SSL("127.0.0.1", port, context=ssl._create_unverified_context())
    smtp.login(ALICE, PASSWORD)
    for number in numbers:
        to = f"bob{number}@d{number % 1000}.example"
        text = f"From: {ALICE}\r\nTo: {to}\r\nSubject: number {number}\r\n\r\n" + "All of it is text.\r\n" * 200
        try:
            smtp.sendmail(ALICE, [to], text)
        except smtplib.SMTPResponseException as refusal:
            refusals.append(refusal.smtp_code)
    smtp.quit()


with tempfile.TemporaryDirectory(prefix="queue") as home:
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind(("127.0.0.1", 0))
    threading.Thread(target=no_names, args=(names,), daemon=True).start()
    smtp, submissions, config = free_port(), free_port(), f"{home}/guard.toml"
    pathlib.Path(config).write_text(f"""hostname = "mail.house.example"
data_dir = "{home}/data"
run_dir = "{home}/run"
master_key_file = "{home}/master.key"
[listen]
smtp = ["127.0.0.1:{smtp}"]
submission = []
submissions = ["127.0.0.1:{submissions}"]
imaps = []
https = []
http = []
[tls]
certificate = "{home}/tls.crt"
key = "{home}/tls.key"
[portal]
url = "https://mail.house.example"
brand = "House"
[[domain]]
name = "house.example"
[dns]
servers = ["127.0.0.1:{names.getsockname()[1]}"]
trust = "none"
[limits]
queue_messages = {messages}
recipients_per_hour = 100000
recipients_per_day = 1000000
""")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", f"{home}/tls.key", "-out", f"{home}/tls.crt", "-days", "30",
                    "-subj", "/CN=mail.house.example", "-addext", "subjectAltName=DNS:mail.house.example"],
                   check=True, capture_output=True)
    for command in (["master-key", "create"], ["account", "add", ALICE, "--password-stdin"]):
        subprocess.run([guardpost, "--config", config, *command], check=True, input=PASSWORD + "\n", text=True,
                       capture_output=True)
    server = Served(config)
    empty = server.ready
    print(f"empty: ready after {empty:.2f} s, resident {server.memory('VmRSS'):.0f} MiB", flush=True)
    begin, refusals = time.perf_counter(), []
    shares = [range(start, messages, SESSIONS) for start in range(SESSIONS)]
    threads = [threading.Thread(target=fill, args=(submissions, share, refusals)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{messages} messages of 4 KB taken in {time.perf_counter() - begin:.0f} s, {len(refusals)} refused")
    server.wait(lambda: server.tried >= messages - len(refusals))
    print(f"each tried once after {time.perf_counter() - begin:.0f} s: resident {server.memory('VmRSS'):.0f} MiB, "
          f"at most {server.memory('VmHWM'):.0f} MiB", flush=True)
    fill(submissions, [messages], refusals)
    print(f"one more: {refusals[-1:]}")
    print(f"stopped in {server.stop():.2f} s")
    server = Served(config)
    with socket.create_connection(("127.0.0.1", smtp)) as greeted:
        greeting = greeted.recv(100)
    greeted = time.perf_counter() - server.begin
    print(f"started with a full queue: ready after {server.ready:.2f} s, greets after {greeted:.2f} s ({greeting[:3].decode()}), "
          f"resident {server.memory('VmRSS'):.0f} MiB", flush=True)
    fill(submissions, [messages + 1], refusals)
    print(f"one more after the start: {refusals[-1:]}")
    waiting = subprocess.run([guardpost, "--config", config, "--json", "queue", "list"], capture_output=True, text=True)
    print(f"queue list: {waiting.stdout.count(chr(34) + 'id' + chr(34))} messages, exit {waiting.returncode}")
    server.stop()
