from gevent import monkey
monkey.patch_all()
from slimta.envelope import Envelope
from slimta.relay.smtp.static import StaticSmtpRelay
from lab import *

import ssl
context = ssl._create_unverified_context()
r = StaticSmtpRelay(addr, port, ehlo_as="client.example.org", context=context, tls_immediately=tls == "smtps", tls_required=tls == "starttls",
                    credentials=("user", "secret") if login else None, idle_timeout=0.5)
for _ in range(mails):
    e = Envelope(sender, to)
    e.parse(text)
    print(r.attempt(e, 0))
import gevent
gevent.sleep(1.2)
