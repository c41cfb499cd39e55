"""A mailbox with messages, for fetchmail."""
import os, socket

text = open(os.environ["MSG"], "rb").read().replace(b"\n", b"\r\n")
n = int(os.environ["MAILS"])
l = socket.socket()
l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
l.bind(("127.0.0.2", 1110))
l.listen(5)
while True:
    c, _ = l.accept()
    f = c.makefile("rwb")

    def say(b):
        f.write(b + b"\r\n")
        f.flush()

    say(b"+OK")
    for line in f:
        w = line.upper().split()
        if w[0] == b"STAT":
            say(b"+OK %d %d" % (n, n * len(text)))
        elif w[0] == b"LIST" and len(w) == 1:
            say(b"+OK\r\n" + b"".join(b"%d %d\r\n" % (i + 1, len(text)) for i in range(n)) + b".")
        elif w[0] == b"LIST":
            say(b"+OK %s %d" % (w[1], len(text)))
        elif w[0] in (b"RETR", b"TOP"):
            say(b"+OK\r\n" + text + b".")
        elif w[0] in (b"UIDL", b"CAPA"):
            say(b"-ERR")
        elif w[0] == b"QUIT":
            say(b"+OK")
            break
        else:
            say(b"+OK")
    c.close()
