import yagmail
from lab import *

y = yagmail.SMTP("user", "secret", host=addr, port=port, smtp_starttls=tls == "starttls", smtp_ssl=tls == "smtps", smtp_skip_login=not login)
for _ in range(mails):
    y.send(to, "x", text.decode("utf-8", "replace"))
y.close()
