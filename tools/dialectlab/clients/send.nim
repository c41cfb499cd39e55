import smtp, os, strutils, net
let addr0 = getEnv("ADDR")
let port = Port(parseInt(getEnv("PORT")))
let ctx = newContext(verifyMode = CVerifyNone)
var c = newSmtp(useSsl = getEnv("TLS") == "smtps", sslContext = ctx)
c.connect(addr0, port)
if getEnv("TLS") == "starttls": c.startTls(ctx)
if getEnv("LOGIN") == "1": c.auth("user", "secret")
for i in 1 .. parseInt(getEnv("MAILS")):
  c.sendMail("sender@example.org", getEnv("TO").split(' '), readFile(getEnv("MSG")).replace("\n", "\r\n"))
c.close()
