import django, ssl
from django.conf import settings
from lab import *

ssl._create_default_https_context = ssl._create_unverified_context
ssl.create_default_context = ssl._create_unverified_context
settings.configure(EMAIL_HOST=addr, EMAIL_PORT=port, EMAIL_USE_TLS=tls == "starttls", EMAIL_USE_SSL=tls == "smtps",
                   EMAIL_HOST_USER="user" if login else "", EMAIL_HOST_PASSWORD="secret" if login else "")
from django.core import mail

body = text.decode("utf-8", "replace")
with mail.get_connection() as c:
    for _ in range(mails):
        mail.EmailMessage("x", body, sender, to, connection=c).send()
