#!/usr/bin/env python3
"""How long until the first byte of a page, where no password is checked?

Starts the demo, opens its mailbox, and asks for every kind of page in turn over one connection, as a browser does.
Prints the median and the slowest of a hundred for each, in milliseconds; ends with 1 if a median is above 20 ms.
usage: first_byte.py GUARDPOST [ROUNDS]
"""
import demo
import http.client
import statistics
import sys
import time
import urllib.parse

guardpost, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100
with demo.running(guardpost) as (port, invitation, token, pin, _):
    host, cookies = f"localhost:{port}", {}
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def ask(method, path, fields=None):
        """Status, body, and seconds from the beginning of the request to the first byte of the answer."""
        headers = {"Host": host, "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        body = None
        if fields is not None:
            body = urllib.parse.urlencode(fields)
            headers |= {"Origin": f"http://{host}", "Content-Type": "application/x-www-form-urlencoded"}
        begin = time.perf_counter()
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        took = time.perf_counter() - begin
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, value = line.split(";")[0].split("=", 1)
            cookies[name] = value
        return answer.status, answer.read(), took

    def times(method, path, fields=None):
        asked = [ask(method, path, fields) for _ in range(rounds)]
        statuses = sorted({status for status, _, _ in asked})
        milliseconds = [took * 1000 for _, _, took in asked]
        median = statistics.median(milliseconds)
        print(f"{median:6.2f} {max(milliseconds):7.2f}  {asked[0][0]} {method} {path}")
        if len(statuses) > 1:
            sys.exit(f"{path} was answered with {statuses}")
        return median

    print("median slowest (ms)")
    medians = [times("GET", path) for path in ("/login", "/guard.css", "/guard.js", "/logo", "/help", "/nothing")]
    medians.append(times("GET", f"/i/{invitation}"))
    password = "seven slow trains, one line"
    first = {"token": token, "pin": pin, "password": password, "confirm": password, "understood": "1"}
    status, body, _ = ask("POST", f"/i/{invitation}", first)
    if status != 303:
        sys.exit(f"first use: {status}")
    medians.append(times("GET", f"/i/{invitation}"))
    inside = ("", "/sent", "/inbox/1", "/inbox/1/body", "/inbox/1/print", "/inbox/1/reply", "/key", "/export", "/sessions")
    medians += [times("GET", f"/mailbox{path}") for path in inside]
    medians.append(times("POST", "/mailbox/search", {"q": "contract"}))
    print(f"the slowest median: {max(medians):.2f} ms")
    sys.exit(0 if max(medians) < 20 else 1)
