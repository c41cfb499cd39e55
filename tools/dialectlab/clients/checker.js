// Address checkers.
const e = process.env, name = process.argv[2], m = require(name), to = e.TO.split(' ')[0];
const say = (...a) => { console.log(...a); setTimeout(() => process.exit(), 300); };
if (name == 'email-verify') m.verify(to, { sender: 'sender@example.org', fqdn: 'client.example.org', port: +e.PORT, dns: '127.0.0.1' }, say);
else if (name == 'email-existence') m.check(to, say);
else m.validate({ email: to, sender: 'sender@example.org', validateRegex: false, validateTypo: false, validateDisposable: false }).then(say, say);
setTimeout(() => process.exit(), 12000);
