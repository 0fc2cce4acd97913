#!/usr/bin/env python3
"""Many IMAP clients on one folder at once, each checking that what it is told adds up.

imap_stress.py PORT USER PASSWORD CLIENTS ROUNDS SEED

Every client follows EXISTS and EXPUNGE and knows which UID each number has; whatever a FETCH says about a number
must agree. At the end all of them must see what a fresh session sees. Prints one line; any contradiction ends it
with status 1.
"""
import random
import re
import socket
import ssl
import sys
import threading

PORT, USER, PASSWORD = int(sys.argv[1]), sys.argv[2], sys.argv[3]
CLIENTS, ROUNDS, SEED = int(sys.argv[4]), int(sys.argv[5]), int(sys.argv[6])
TLS = ssl.create_default_context()
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE
FLAGS = [b"\\Seen", b"\\Flagged", b"\\Deleted", b"\\Answered", b"work"]
MAIL = b"Subject: stress %d\r\nFrom: a@b.example\r\n\r\nbody %d\r\n"


class Client:
    def __init__(self, number):
        self.dice = random.Random(SEED * 1000 + number)
        self.wire = TLS.wrap_socket(socket.create_connection(("127.0.0.1", PORT), 120))
        self.file = self.wire.makefile("rb")
        self.tag = 0
        self.uids = []  # by message number; None: not asked for yet
        self.flags = {}
        self.commands = 0
        assert self.file.readline().startswith(b"* OK ")
        self.do(b'LOGIN "%s" "%s"' % (USER.encode(), PASSWORD.encode()))
        self.do(b"SELECT INBOX")
        self.learn()

    def line(self):
        """One answer. What stands in literals is read and left out: behind it the answer goes on."""
        answer = b""
        while True:
            line = self.file.readline()
            assert line.endswith(b"\r\n"), line
            answer += line[:-2]
            literal = re.search(rb"\{(\d+)\}$", line[:-2])
            if not literal:
                assert answer.startswith((b"* ", b"+ ", b"s%d " % self.tag)), answer
                return answer
            octets = self.file.read(int(literal[1]))
            assert len(octets) == int(literal[1]), answer

    def do(self, command, literal=None, may_fail=False):
        self.tag += 1
        self.commands += 1
        tag = b"s%d" % self.tag
        numbered = command.split()[0] in (b"FETCH", b"STORE", b"SEARCH")
        self.wire.sendall(tag + b" " + command + b"\r\n")
        told = []
        while True:
            line = self.line()
            if line.startswith(b"+ "):
                self.wire.sendall(literal + b"\r\n")
                continue
            if line.startswith(tag + b" "):
                assert may_fail or line.startswith(tag + b" OK"), (command, line)
                return told
            told.append(line)
            self.follow(line, numbered)

    def follow(self, line, numbered):
        found = re.match(rb"\* (\d+) (EXISTS|EXPUNGE|FETCH)(.*)", line)
        if not found:
            return
        number, kind, rest = int(found[1]), found[2], found[3]
        if kind == b"EXPUNGE":
            assert not numbered, ("EXPUNGE while numbers are in use", line)
            assert 1 <= number <= len(self.uids), (line, len(self.uids))
            del self.uids[number - 1]
        elif kind == b"EXISTS":
            assert number >= len(self.uids), (line, len(self.uids))
            self.uids += [None] * (number - len(self.uids))
        else:
            assert 1 <= number <= len(self.uids), (line, len(self.uids))
            uid = re.search(rb"UID (\d+)", rest)
            if uid:
                known = self.uids[number - 1]
                assert known in (None, int(uid[1])), (line, known)
                self.uids[number - 1] = int(uid[1])
            flags = re.search(rb"FLAGS \(([^)]*)\)", rest)
            if flags and self.uids[number - 1]:
                self.flags[self.uids[number - 1]] = frozenset(flags[1].split())

    def learn(self):
        if None in self.uids:
            self.do(b"UID FETCH 1:* (FLAGS)")
        known = [uid for uid in self.uids if uid]
        assert known == sorted(set(known)), known

    def some(self):
        first = self.dice.randint(1, len(self.uids))
        last = min(len(self.uids), first + self.dice.randint(0, 3))
        return b"%d:%d" % (first, last)

    def some_uids(self):
        known = [uid for uid in self.uids if uid]
        chosen = self.dice.sample(known, min(len(known), self.dice.randint(1, 4))) if known else [1]
        return b",".join(b"%d" % uid for uid in chosen)

    def turn(self):
        self.learn()
        dice = self.dice.randint(0, 13)
        flag = self.dice.choice(FLAGS)
        sign = self.dice.choice([b"+", b"-", b""])
        if dice <= 2 or len(self.uids) < 5:
            mail = MAIL % (self.dice.randint(0, 9), self.dice.randint(0, 9))
            self.do(b"APPEND INBOX (%s) {%d}" % (flag, len(mail)), mail)
        elif dice == 3:
            self.do(b"STORE %s %sFLAGS (%s)" % (self.some(), sign, flag))
        elif dice == 4:
            self.store_silently(self.some_uids(), sign, flag)
        elif dice == 5:
            self.do(b"FETCH %s (UID FLAGS ENVELOPE)" % self.some(), may_fail=True)
        elif dice == 6:
            self.do(b"UID FETCH %s (BODY[TEXT] RFC822.SIZE)" % self.some_uids(), may_fail=True)
        elif dice == 7:
            self.do(b"SEARCH UNSEEN")
        elif dice == 8:
            self.do(b"UID SEARCH DELETED SUBJECT stress")
        elif dice == 9:
            self.do(b"EXPUNGE")
        elif dice == 10:
            self.do(b"UID COPY %s INBOX" % self.some_uids())
        elif dice == 11:
            self.do(b"UID MOVE %s Trash" % self.some_uids())
        elif dice == 12:
            self.do(b"NOOP")
        else:
            self.idle()

    def store_silently(self, uids, sign, flag):
        """What is not told is concluded; by some clients when they ask, by others when it is done."""
        def conclude():
            for uid in map(int, uids.split(b",")):
                if uid in self.flags:
                    have, named = self.flags[uid], {flag}
                    self.flags[uid] = frozenset({b"+": have | named, b"-": have - named, b"": named}[sign])
        early = self.dice.random() < 0.5
        if early:
            conclude()
        self.do(b"UID STORE %s %sFLAGS.SILENT (%s)" % (uids, sign, flag))
        if not early:
            conclude()

    def idle(self):
        self.tag += 1
        tag = b"s%d" % self.tag
        self.wire.sendall(tag + b" IDLE\r\n")
        while not self.line_in_idle().startswith(b"+ "):
            pass
        self.wire.sendall(b"DONE\r\n")
        while not self.line_in_idle().startswith(tag + b" OK"):
            pass

    def line_in_idle(self):
        line = self.line()
        self.follow(line, False)
        return line

    def settle(self):
        self.do(b"NOOP")
        self.learn()
        return [(uid, self.flags[uid]) for uid in self.uids]


def main():
    clients = [Client(number) for number in range(CLIENTS)]
    wrong = []

    def play(client):
        try:
            for _ in range(ROUNDS):
                client.turn()
        except BaseException as trouble:
            wrong.append(repr(trouble))
            raise

    threads = [threading.Thread(target=play, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong
    fresh = Client(CLIENTS).settle()
    for number, client in enumerate(clients):
        seen = client.settle()
        assert seen == fresh, (number, set(seen) ^ set(fresh))
    print(CLIENTS, "clients,", sum(client.commands for client in clients), "commands,", len(fresh), "messages left")


main()
