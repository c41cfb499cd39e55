import smtplib, ssl, sys
from lab import *

if sys.version_info >= (3, 0):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    how = {"context": context}
else:
    how = {}
if tls == "smtps":
    s = smtplib.SMTP_SSL(addr, port, "client.example.org", timeout=10, **how)
else:
    s = smtplib.SMTP(addr, port, "client.example.org", 10)
if tls == "starttls":
    s.starttls(**how)
if login:
    s.login("user", "secret")
for _ in range(mails):
    s.sendmail(sender, to, text, ["BODY=8BITMIME"] if max(bytearray(text)) > 127 else [])
s.quit()
