"""What the recorder asks of a client, from the environment (senders.sh)."""
import os

addr, port, tls = os.environ["ADDR"], int(os.environ["PORT"]), os.environ["TLS"]
login, mails = os.environ["LOGIN"], int(os.environ["MAILS"])
to, sender = os.environ["TO"].split(), "sender@example.org"
with open(os.environ["MSG"], "rb") as f:
    text = f.read().replace(b"\n", b"\r\n")
