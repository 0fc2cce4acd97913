#!/usr/bin/env python3
"""Reads mail back by IMAP and compares it, octet by octet, with what was put there.

imap_check.py PORT USER PASSWORD DIRECTORY append|delivered

DIRECTORY holds n.eml files and index.json: [{"file", "subject_word", "body_word", "regular"}]. With `append` they
are put into Drafts first and must come back as they are; with `delivered` they lie in INBOX in this order, and
only whole header fields may stand in front of them.
A client of its own (not imaplib) for the exact bytes; imaplib for what programs do with it; the email package
as a second opinion of the parts of regular messages. Prints one line with what was compared; any difference
ends it with status 1.
"""
import email
import email.policy
import imaplib
import json
import os
import re
import socket
import ssl
import sys

PORT, USER, PASSWORD, DIRECTORY = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
FOLDER = {"append": "Drafts", "delivered": "INBOX"}[sys.argv[5]]

TLS = ssl.create_default_context()
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE


class Client:
    """Just enough IMAP to see every octet."""

    def __init__(self):
        self.wire = TLS.wrap_socket(socket.create_connection(("127.0.0.1", PORT), 60))
        self.file = self.wire.makefile("rb")
        self.number = 0
        assert self.file.readline().startswith(b"* OK ")
        self.do(b'LOGIN "%s" "%s"' % (USER.encode(), PASSWORD.encode()))

    def answer(self):
        """One response: a list of bytes and, for literals, of (bytes,) in between."""
        parts = []
        while True:
            line = self.file.readline()
            assert line.endswith(b"\r\n"), line
            line = line[:-2]
            if line.endswith(b"}") and b"{" in line:
                head, size = line[:-1].rsplit(b"{", 1)
                if size.isdigit():
                    literal = self.file.read(int(size))
                    assert len(literal) == int(size)
                    parts += [head, (literal,)]
                    continue
            return parts + [line]

    def do(self, command, ok=True):
        self.number += 1
        tag = b"c%d" % self.number
        self.wire.sendall(tag + b" " + command + b"\r\n")
        untagged = []
        while True:
            parts = self.answer()
            if parts[0].startswith(tag + b" "):
                assert parts[0].startswith(tag + b" OK") == ok, (command, parts)
                return untagged
            untagged.append(parts)

    def fetch(self, uid, items):
        """The items of one message as a dictionary."""
        for parts in self.do(b"UID FETCH %d (%s)" % (uid, items)):
            if b" FETCH (" in parts[0]:
                tokens = read_tokens(parts)
                assert tokens[0] == b"*" and tokens[2] == b"FETCH"
                told = tokens[3]
                return {told[n].upper(): told[n + 1] for n in range(0, len(told), 2)}
        raise AssertionError((uid, items))


class Quoted(bytes):
    """A string, as opposed to an atom."""


def read_tokens(parts):
    """Nested lists of atoms, strings and None."""
    stack = [[]]
    atom = bytearray()

    def flush():
        if atom:
            word = bytes(atom)
            stack[-1].append(None if word.upper() == b"NIL" else word)
            atom.clear()

    for part in parts:
        if isinstance(part, tuple):
            flush()
            stack[-1].append(Quoted(part[0]))
            continue
        at, brackets = 0, 0
        while at < len(part):
            byte = part[at : at + 1]
            if brackets:
                atom += byte
                brackets += (byte == b"[") - (byte == b"]")
            elif byte == b'"':
                flush()
                text = bytearray()
                at += 1
                while part[at : at + 1] != b'"':
                    at += part[at : at + 1] == b"\\"
                    text += part[at : at + 1]
                    at += 1
                stack[-1].append(Quoted(text))
            elif byte == b"(":
                flush()
                stack.append([])
            elif byte == b")":
                flush()
                done = stack.pop()
                stack[-1].append(done)
            elif byte == b" ":
                flush()
            else:
                atom += byte
                brackets = byte == b"["
            at += 1
    flush()
    assert len(stack) == 1, parts
    return stack[0]


def children(body):
    """The parts of a multipart: the lists in front of its subtype."""
    parts = []
    for token in body:
        if not isinstance(token, list):
            break
        parts.append(token)
    return parts


def shape(body):
    """What the email package would call the same."""
    if isinstance(body[0], list):
        kind = b"multipart/" + body[len(children(body))]
        return [kind.lower().decode(), [shape(child) for child in children(body)]]
    kind = (body[0] + b"/" + body[1]).lower().decode()
    return [kind, [shape(body[8])] if kind == "message/rfc822" else []]


def shape_of(message):
    kind = message.get_content_type()
    parts = message.get_payload() if message.is_multipart() else []
    return [kind, [shape_of(part) for part in parts]]


def walk(body, path=()):
    """(path, type, body) of every part that has a size."""
    if isinstance(body[0], list):
        for number, child in enumerate(children(body)):
            yield from walk(child, path + (number + 1,))
        return
    kind = (body[0] + b"/" + body[1]).lower()
    yield path or (1,), kind, body
    if kind == b"message/rfc822":
        inside = body[8]
        here = path or (1,)
        yield from walk(inside, here if isinstance(inside[0], list) else here + (1,))


def whole(path):
    return b".".join(b"%d" % number for number in path)


def check_message(client, uid, original, regular, counts):
    got = client.fetch(uid, b"UID RFC822.SIZE BODY.PEEK[] BODYSTRUCTURE BODY ENVELOPE BODY.PEEK[HEADER] BODY.PEEK[TEXT]")
    octets = got[b"BODY[]"]
    if FOLDER == "Drafts":
        assert octets == original, (uid, octets[:200], original[:200])
    else:
        assert octets.endswith(original), (uid, octets[:900], original[:200])
        added = octets[: len(octets) - len(original)]
        assert re.fullmatch(rb"([!-9;-~]+:[^\r\n]*\r\n([ \t][^\r\n]*\r\n)*)*", added), added
        assert b"X-Guardpost-Encrypted: at-rest\r\n" in added, added
    assert int(got[b"RFC822.SIZE"]) == len(octets), uid
    assert got[b"BODY[HEADER]"] + got[b"BODY[TEXT]"] == octets, uid
    envelope = got[b"ENVELOPE"]
    assert len(envelope) == 10, envelope
    structure = got[b"BODYSTRUCTURE"]
    for path, kind, body in walk(structure):
        section = whole(path)
        part = client.fetch(uid, b"BODY.PEEK[%s]" % section)[b"BODY[%s]" % section]
        assert part is not None and len(part) == int(body[6]), (uid, path, body[:7])
        assert part in octets
        middle = len(part) // 2
        for first, count in ((0, 7), (middle, 100), (len(part), 5), (max(len(part) - 3, 0), 1 << 20)):
            told = client.fetch(uid, b"BODY.PEEK[%s]<%d.%d>" % (section, first, count))
            assert told[b"BODY[%s]<%d>" % (section, first)] == part[first : first + count], (uid, path, first)
            counts["partials"] += 1
        if kind == b"message/rfc822":
            inner = client.fetch(uid, b"BODY.PEEK[%s.HEADER] BODY.PEEK[%s.TEXT]" % (section, section))
            assert inner[b"BODY[%s.HEADER]" % section] + inner[b"BODY[%s.TEXT]" % section] == part, uid
            assert len(body[7]) == 10 and body[7][1] is not None, body[7]
        counts["parts"] += 1
    fields = client.fetch(uid, b"BODY.PEEK[HEADER.FIELDS (SUBJECT message-id)] BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT)]")
    chosen = fields[b"BODY[HEADER.FIELDS (SUBJECT MESSAGE-ID)]"]
    assert chosen.lower().count(b"subject:") == 1 and chosen.endswith(b"\r\n\r\n"), chosen
    others = fields[b"BODY[HEADER.FIELDS.NOT (SUBJECT)]"]
    assert b"\nsubject:" not in others.lower() and others.endswith(b"\r\n\r\n"), others
    message = email.message_from_bytes(octets)
    assert (envelope[9] or b"").decode() == (message["Message-ID"] or "").strip(), envelope
    assert "".join((envelope[1] or b"").decode().split()) == "".join(message["Subject"].split()), envelope
    if regular:
        assert shape(structure) == shape_of(message), (uid, shape(structure), shape_of(message))
        counts["second opinions"] += 1


def check_with_imaplib(uids, index):
    with imaplib.IMAP4_SSL("127.0.0.1", PORT, ssl_context=TLS) as box:
        box.login(USER, PASSWORD)
        assert box.list()[0] == "OK" and box.lsub()[0] == "OK"
        assert box.namespace()[1] == [b'(("" "/")) NIL NIL']
        assert box.status(FOLDER, "(MESSAGES UIDNEXT)")[0] == "OK"
        assert box.create("Work")[0] == "NO"
        assert box.select(FOLDER)[0] == "OK"
        found = 0
        for number, (uid, entry) in enumerate(zip(uids, index)):
            for key, word in (("SUBJECT", entry["subject_word"]), ("BODY", entry["body_word"])):
                # Each reads and opens every message.
                if key == "BODY" and number % 60:
                    continue
                box.literal = word.encode()
                kind, data = box.uid("SEARCH", "CHARSET", "UTF-8", key)
                assert kind == "OK" and data == [b"%d" % uid], (entry, key, data, uid)
                found += 1
        assert box.search(None, "ALL")[1][0].split() == [b"%d" % (n + 1) for n in range(len(uids))]
        assert box.store("1:3", "+FLAGS", r"(\Flagged \Deleted work)")[0] == "OK"
        assert box.search(None, "FLAGGED", "KEYWORD", "work")[1] == [b"1 2 3"]
        assert box.copy("2:3", "Trash")[0] == "OK"
        assert box.uid("EXPUNGE", "%d" % uids[0])[0] == "OK"
        assert box.search(None, "DELETED")[1] == [b"1 2"]
        kind, data = box.expunge()
        assert kind == "OK" and data[-2:] == [b"2", b"1"], data
        assert box.check()[0] == "OK" and box.noop()[0] == "OK"
        assert box.uid("MOVE", "%d" % uids[3], "Trash")[0] == "OK"
        assert box.close()[0] == "OK"
        kind, data = box.select("Trash", readonly=True)
        assert data == [b"3"], data
        kind, data = box.fetch("1:*", "(FLAGS UID INTERNALDATE)")
        assert len(data) == 3, data
        return found


def main():
    index = json.load(open(os.path.join(DIRECTORY, "index.json"), encoding="utf-8"))
    originals = [open(os.path.join(DIRECTORY, entry["file"]), "rb").read() for entry in index]
    uids = [] if FOLDER == "Drafts" else list(range(1, len(originals) + 1))
    with imaplib.IMAP4_SSL("127.0.0.1", PORT, ssl_context=TLS) as box:
        box.login(USER, PASSWORD)
        for octets in originals if FOLDER == "Drafts" else []:
            kind, data = box.append("Drafts", r"(\Draft)", None, octets)
            assert kind == "OK" and data[0].startswith(b"[APPENDUID "), data
            uids.append(int(data[0].split()[2].rstrip(b"]")))
    assert uids == sorted(set(uids))
    client = Client()
    client.do(b"SELECT " + FOLDER.encode())
    counts = {"parts": 0, "partials": 0, "second opinions": 0}
    for uid, octets, entry in zip(uids, originals, index):
        check_message(client, uid, octets, entry["regular"], counts)
    assert not any(b"\\Seen" in b"".join(p for p in parts if isinstance(p, bytes)) for parts in client.do(b"FETCH 1:* FLAGS"))
    client.do(b"LOGOUT")
    found = check_with_imaplib(uids, index)
    print(len(originals), "messages,", counts, found, "searches")


main()
