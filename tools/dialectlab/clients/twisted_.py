from io import BytesIO
from twisted.internet import defer, reactor, ssl
from twisted.mail.smtp import ESMTPSenderFactory
from lab import *

done = defer.Deferred()
f = ESMTPSenderFactory(b"user" if login else None, b"secret" if login else None, sender.encode(), [t.encode() for t in to], BytesIO(text.replace(b"\r\n", b"\n")), done,
                       requireAuthentication=bool(login), requireTransportSecurity=tls == "starttls", contextFactory=ssl.ClientContextFactory())
f.domain = b"client.example.org"
if tls == "smtps":
    reactor.connectSSL(addr, port, f, ssl.ClientContextFactory())
else:
    reactor.connectTCP(addr, port, f)
done.addBoth(lambda r: (print(r), reactor.callLater(0.2, reactor.stop)))
reactor.callLater(10, reactor.stop)
reactor.run()
