"""The demo, for measurements from outside."""
import contextlib
import re
import subprocess
import sys
import typing


class Demo(typing.NamedTuple):
    """What it printed of its invitation."""
    port: int
    invitation: str
    token: str
    pin: str
    recipient: str


@contextlib.contextmanager
def running(guardpost):
    """Starts it, waits until its invitation is told, and ends it."""
    process = subprocess.Popen([guardpost, "demo"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    told = ""
    try:
        while True:
            line = process.stdout.readline()
            if not line:
                sys.exit("the demo ended:\n" + told)
            told += line
            link = re.search(r"http://localhost:(\d+)/i/(\w+)#([\w-]+)", told)
            pin = re.search(r"PIN\D*(\d{6})", told)
            if link and pin:
                break
        recipient = re.search(r"[\w.+-]+@(?!demo\.example)[\w.-]+\.\w+", told)
        yield Demo(int(link[1]), link[2], link[3], pin[1], recipient[0])
    finally:
        process.terminate()
        process.wait()
