import asyncio, aiosmtplib, ssl
from lab import *

context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE


async def main():
    s = aiosmtplib.SMTP(hostname=addr, port=port, use_tls=tls == "smtps", tls_context=context, timeout=10)
    await s.connect()
    if tls == "starttls" and not getattr(s, "_start_tls_on_connect", None):
        await s.starttls(tls_context=context)
    if login:
        await s.login("user", "secret")
    for _ in range(mails):
        await s.sendmail(sender, to, text)
    await s.quit()


asyncio.run(main())
