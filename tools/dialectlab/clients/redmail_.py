import smtplib, ssl
from redmail import EmailSender
from lab import *

kw = {"user_name": "user", "password": "secret"} if login else {}
ssl.create_default_context = ssl._create_unverified_context
e = EmailSender(host=addr, port=port, use_starttls=tls == "starttls", cls_smtp=smtplib.SMTP_SSL if tls == "smtps" else smtplib.SMTP, **kw)
with e:
    for _ in range(mails):
        e.send(subject="x", sender=sender, receivers=to, text=text.decode("utf-8", "replace"))
