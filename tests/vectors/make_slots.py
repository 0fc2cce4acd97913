#!/usr/bin/python3
"""Makes slots.json: known answers for everything the vault seals, by an implementation of its own.

It shares no code with the appliance: AES-GCM-SIV (RFC 8452) is written here on single AES blocks, HKDF
(RFC 5869) on the standard library's HMAC. Only AES itself and Argon2id come from packages.

    apt-get install python3-cryptography python3-argon2
    tests/vectors/make_slots.py > tests/vectors/slots.json
"""

import base64
import hashlib
import hmac
import json
import struct
import sys

from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


# AES-256-GCM-SIV, RFC 8452.

def aes_block(key, block):
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return encryptor.update(block) + encryptor.finalize()


def dot(a, b):
    """RFC 8452 section 3: a * b * x^-128 in the field of x^128 + x^127 + x^126 + x^121 + 1."""
    product = 0
    for bit in range(128):
        if b >> bit & 1:
            product ^= a << bit
    modulus = 1 << 128 | 1 << 127 | 1 << 126 | 1 << 121 | 1
    # Dividing by x 128 times: the constant term of the modulus is 1, so adding it makes the value even.
    for _ in range(128):
        if product & 1:
            product ^= modulus
        product >>= 1
    return product


def polyval(key, blocks):
    h = int.from_bytes(key, "little")
    s = 0
    for at in range(0, len(blocks), 16):
        s = dot(s ^ int.from_bytes(blocks[at:at + 16], "little"), h)
    return s.to_bytes(16, "little")


def padded(text):
    return text + bytes(-len(text) % 16)


def derive_keys(key, nonce):
    halves = [aes_block(key, struct.pack("<I", n) + nonce)[:8] for n in range(6)]
    return b"".join(halves[:2]), b"".join(halves[2:])


def gcm_siv(key, nonce, plaintext, aad):
    authentication, encryption = derive_keys(key, nonce)
    lengths = struct.pack("<QQ", len(aad) * 8, len(plaintext) * 8)
    s = polyval(authentication, padded(aad) + padded(plaintext) + lengths)
    s = bytearray(a ^ b for a, b in zip(s, nonce + bytes(4)))
    s[15] &= 0x7F
    tag = aes_block(encryption, bytes(s))
    counter = bytearray(tag)
    counter[15] |= 0x80
    first = struct.unpack("<I", counter[:4])[0]
    out = bytearray()
    for number, at in enumerate(range(0, len(plaintext), 16)):
        block = struct.pack("<I", (first + number) & 0xFFFFFFFF) + bytes(counter[4:])
        out += bytes(a ^ b for a, b in zip(plaintext[at:at + 16], aes_block(encryption, block)))
    return bytes(out) + tag


def check_gcm_siv():
    """RFC 8452 appendix C.2, one answer with and one without additional data."""
    key, nonce = bytes([1]) + bytes(31), bytes([3]) + bytes(11)
    known = "c2ef328e5c71c83b843122130f7364b761e0b97427e3df28"
    assert gcm_siv(key, nonce, bytes.fromhex("0100000000000000"), b"").hex() == known
    known = "1de22967237a813291213f267e3b452f02d01ae33e4ec854"
    assert gcm_siv(key, nonce, bytes.fromhex("0200000000000000"), b"\1").hex() == known


# The layouts.

def lp(*parts):
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def hkdf(ikm, info, salt=bytes(32)):
    prk = hmac.new(salt, ikm, hashlib.sha256).digest()
    return hmac.new(prk, info + b"\1", hashlib.sha256).digest()


def seal(key, nonce, plaintext, aad):
    return nonce + gcm_siv(key, nonce, plaintext, aad)


def fixed(name, length):
    """Bytes that look random and are not."""
    return hashlib.shake_128(b"guardpost vectors " + name.encode()).digest(length)


PARAMETERS = (0x13, 64, 1, 1)
M = fixed("mailbox", 16)
ACCOUNT = fixed("account", 16)
MUK = fixed("muk", 32)
PEPPER = fixed("pepper", 32)


def stretch(guess, salt):
    _, memory, passes, lanes = PARAMETERS
    return hash_secret_raw(guess, salt, time_cost=passes, memory_cost=memory, parallelism=lanes,
                           hash_len=32, type=Type.ID, version=0x13)


def slot(name, kind, guess=None, token=None, recovery=None, fingerprint=None):
    s, salt = fixed(name + " slot", 16), fixed(name + " salt", 16)
    shred, nonce = fixed(name + " shred", 32), fixed(name + " nonce", 12)
    parameters = struct.pack(">4I", *PARAMETERS)
    aad = lp(kind.encode(), M, s, salt, parameters)
    stretched = None
    if recovery is not None:
        ikm = lp(recovery, shred)
        aad += lp(fingerprint)
    else:
        stretched = stretch(guess.encode(), salt)
        ikm = lp(stretched, shred) if token is None else lp(stretched, token, shred)
    kek = hkdf(ikm, lp(b"guardpost/1 slot", kind.encode(), M, s), PEPPER)
    return {
        "name": name, "kind": kind, "mailbox": M, "slot": s, "salt": salt,
        "parameters": list(PARAMETERS), "pepper": PEPPER, "shred": shred, "muk": MUK, "nonce": nonce,
        "guess": guess, "token": token, "recovery": recovery, "fingerprint": fingerprint,
        "stretched": stretched, "sealed": seal(kek, nonce, MUK, aad),
    }


def keyring():
    old, new = fixed("old master key", 32), fixed("new master key", 32)
    keys = [fixed("K " + name, 32) for name in ("store", "index", "pepper", "token", "queue", "device")]

    def file(generation, masters):
        head = struct.pack(">II", 1, generation)
        aad = lp(head[:4], head[4:])
        for number, master in enumerate(masters):
            nonce = fixed(f"keyring {generation} {number}", 12)
            head += lp(seal(hkdf(master, b"guardpost/1 keyring"), nonce, b"".join(keys), aad))
        return head

    return {
        "old": old, "new": new, "keys": keys,
        "nonces": [fixed(f"keyring {name}", 12) for name in ("1 0", "2 0", "2 1", "3 0")],
        "created": file(1, [old]), "rotated": file(2, [old, new]), "settled": file(3, [new]),
    }


def under_muk():
    fingerprint, secret = fixed("fingerprint", 20), fixed("secret key", 200)
    message, summary = fixed("message", 16), b"Subject, and the first words"
    invitation, token = fixed("invitation", 16), fixed("token", 20)
    nonces = {name: fixed(name + " nonce", 12) for name in
              ("secret key", "summary", "vault", "bare vault", "former key")}
    vault = hkdf(MUK, b"guardpost/1 vault")
    recipient = "Bob@xn--bcher-kva.example"

    def entry(name, pin):
        content = lp(recipient.encode(), invitation, token, pin)
        return seal(vault, nonces[name], content, lp(ACCOUNT, M))

    former, former_id, since, until = fixed("former muk", 32), fixed("former id", 16), 1_795_318_393, 1_797_910_393
    former_aad = lp(M, former_id, struct.pack(">qq", since, until))
    content = hashlib.sha256(b"content").digest()
    recipients = lp(b"a@x.example", b"b@x.example")
    digest = hmac.new(hkdf(MUK, b"guardpost/1 submission" + ACCOUNT),
                      lp(b"<1@x.example>", b"s@x.example", recipients, content), hashlib.sha256).digest()
    network_key = hkdf(MUK, b"guardpost/1 network" + M)
    networks = [bytes([192, 0, 2, 0]), bytes.fromhex("20010db8000000070000000000000000")]
    return {
        "muk": MUK, "mailbox": M, "account": ACCOUNT, "nonces": nonces,
        "fingerprint": fingerprint, "secret": secret,
        "wrapped": seal(hkdf(MUK, b"guardpost/1 secret key" + M), nonces["secret key"], secret,
                        lp(M, fingerprint)),
        "message": message, "summary": summary.decode(),
        "sealed_summary": seal(hkdf(MUK, b"guardpost/1 summary" + M), nonces["summary"], summary,
                               lp(M, message)),
        "recipient": recipient, "invitation": invitation, "token": token, "pin": "271828",
        "vault": entry("vault", b"271828"), "vault_without_pin": entry("bare vault", b""),
        "submission": digest, "networks": networks,
        "network_tags": [hmac.new(network_key, of, hashlib.sha256).digest()[:16] for of in networks],
        "former": former, "former_id": former_id, "since": since, "until": until,
        "wrapped_former": seal(hkdf(MUK, b"guardpost/1 former key" + M), nonces["former key"], former, former_aad),
    }


def token():
    key, invitation, secret = fixed("K token", 32), fixed("invitation", 16), fixed("token", 20)
    symbols = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    number = int.from_bytes(secret, "big")
    text = "".join(symbols[number >> shift & 31] for shift in range(155, -1, -5))
    return {
        "key": key, "invitation": invitation, "token": secret,
        "text": "-".join(text[at:at + 4] for at in range(0, 32, 4)),
        "hash": hmac.new(key, lp(b"invitation", invitation, secret), hashlib.sha256).digest(),
    }


def frames():
    k_queue, queue_key, queue = fixed("K queue", 32), fixed("QK", 32), fixed("queue", 16)

    def file(name, ikm, length):
        key = hkdf(ikm, lp(b"guardpost/1 queue", queue), k_queue)
        text = (bytes(range(251)) * (length // 251 + 1))[:length]
        pieces = [text[at:at + 65536] for at in range(0, length, 65536)] or [b""]
        nonces = [fixed(f"{name} frame {n}", 12) for n in range(len(pieces))]
        sealed = b""
        for number, (piece, nonce) in enumerate(zip(pieces, nonces)):
            last = bytes([number == len(pieces) - 1])
            sealed += seal(key, nonce, piece, lp(queue, struct.pack(">Q", number), last))
        return {
            "name": name, "with_key": ikm != bytes(32), "length": length, "nonces": nonces,
            "first": sealed[:64], "last": sealed[-64:], "sha256": hashlib.sha256(sealed).digest(),
        }

    return {
        "k_queue": k_queue, "queue_key": queue_key, "queue": queue,
        "files": [file("empty", queue_key, 0), file("small", queue_key, 1000), file("plain", bytes(32), 1000),
                  file("one frame", queue_key, 65536), file("two frames", queue_key, 65537)],
    }


def session():
    cookie, nonce = fixed("cookie", 32), fixed("session nonce", 12)
    table_key = hashlib.sha256(cookie).digest()
    wrapped = seal(hkdf(cookie, lp(b"guardpost/1 session", M)), nonce, MUK, table_key)
    return {
        "cookie": cookie, "mailbox": M, "muk": MUK, "nonce": nonce, "table_key": table_key,
        "text": base64.urlsafe_b64encode(cookie).decode().rstrip("="), "wrapped": wrapped,
    }


def device():
    key, random = fixed("K device", 32), fixed("device random", 16)
    generation, now = 3, 1_795_318_393
    expiry = now + 365 * 24 * 3600
    numbers = struct.pack(">I", generation), random, struct.pack(">q", expiry)
    tag = hmac.new(key, lp(M, *numbers), hashlib.sha256).digest()
    cookie = base64.urlsafe_b64encode(b"".join(numbers) + tag).decode().rstrip("=")
    return {"key": key, "mailbox": M, "generation": generation, "now": now, "random": random, "cookie": cookie}


def store():
    k_store, k_index, nonce = fixed("K store", 32), fixed("K index", 32), fixed("value nonce", 12)

    def mac(*parts):
        return hmac.new(k_index, lp(*parts), hashlib.sha256).digest()

    address = "bob@xn--bcher-kva.example"
    return {
        "k_store": k_store, "k_index": k_index, "nonce": nonce, "place": b"place", "value": b"value",
        "sealed": seal(k_store, nonce, b"value", b"place"),
        "address": "Bob@bücher.example", "table": "mailbox", "mailbox": M, "message_id": "<1@x.example>",
        "index": mac(b"mailbox", address.encode()),
        "message_id_digest": mac(b"conversation", M, b"<1@x.example>"),
        "log_name": mac(b"log", address.encode())[:8].hex(),
    }


def readable(value):
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    raise TypeError(type(value))


def main():
    check_gcm_siv()
    vectors = {
        "slots": [
            slot("password", "password", guess="correct horse battery"),
            slot("password beyond ascii", "password", guess="Zwölf Boxkämpfer jagen"),
            slot("app password", "app-password", guess="bado-kiluro-tasimo"),
            slot("invitation", "invitation", guess="271828", token=fixed("token", 20)),
            slot("invitation without pin", "invitation", guess="", token=fixed("token", 20)),
            slot("recovery", "recovery", recovery=fixed("R", 32), fingerprint=fixed("recovery fingerprint", 20)),
        ],
        "keyring": keyring(), "under_muk": under_muk(), "token": token(), "frames": frames(),
        "session": session(), "device": device(), "store": store(),
    }
    json.dump(vectors, sys.stdout, indent=1, default=readable, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
