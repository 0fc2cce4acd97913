#!/usr/bin/env python3
"""Does the time of a refused sign-in tell whether the address has a mailbox?

Starts the demo, opens its mailbox, and sends wrong passwords for it and for addresses without one in turn, each from a
network of its own. Prints both medians and their ratio; the answers must be the same bytes. usage: enumeration.py
GUARDPOST [ROUNDS]
"""
import demo
import http.client
import statistics
import sys
import time
import urllib.parse

guardpost, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 500
with demo.running(guardpost) as (port, invitation, token, pin, known):

    def post(source, path, fields):
        connection = http.client.HTTPConnection("127.0.0.1", port, source_address=(source, 0))
        host = f"localhost:{port}"
        headers = {"Host": host, "Origin": f"http://{host}", "Content-Type": "application/x-www-form-urlencoded"}
        begin = time.perf_counter()
        connection.request("POST", path, urllib.parse.urlencode(fields), headers)
        answer = connection.getresponse()
        body = answer.read()
        took = time.perf_counter() - begin
        connection.close()
        return answer.status, body, took

    password = "seven slow trains, one line"
    first = {"token": token, "pin": pin, "password": password, "confirm": password, "understood": "1"}
    status, body, _ = post("127.0.0.1", f"/i/{invitation}", first)
    if status != 303:
        sys.exit(f"first use: {status}")
    status, _, _ = post("127.0.0.1", "/login", {"address": known, "password": password})
    if status != 303:
        sys.exit(f"{known} is not the mailbox: {status}")
    times, answers = {True: [], False: []}, set()
    for number in range(rounds):
        for there in ((True, False) if number % 2 else (False, True)):
            local, domain = known.split("@")
            nobody = f"{local[::-1] if local != local[::-1] else 'x' + local[1:]}@{domain}"
            address = known if there else nobody
            source = f"127.{1 + number % 200}.{number // 200 * 2 + there}.1"
            wrong = f"a wrong password, no {number:04}"
            status, body, took = post(source, "/login", {"address": address, "password": wrong})
            times[there].append(took)
            answers.add((status, body.replace(address.encode(), b"ADDRESS")))
    there, nowhere = (statistics.median(times[key]) * 1000 for key in (True, False))
    print(f"refused sign-ins, {rounds} each in turn: with a mailbox {there:.2f} ms, without {nowhere:.2f} ms (medians), "
          f"ratio {there / nowhere:.3f}; {len(answers)} kind of answer: {sorted(status for status, _ in answers)}")
    sys.exit(0 if len(answers) == 1 and abs(there / nowhere - 1) < 0.05 else 1)
