// Every major release of nodemailer.
const e = process.env, fs = require('fs');
const nm = require('nodemailer');
const o = { host: e.ADDR, port: +e.PORT, secure: e.TLS == 'smtps', secureConnection: e.TLS == 'smtps', tls: { rejectUnauthorized: false }, pool: +e.MAILS > 1, maxConnections: 1 };
if (e.LOGIN) o.auth = { user: 'user', pass: 'secret' };
const t = nm.createTransport.length == 2 && nm.Transport ? nm.createTransport('SMTP', o) : nm.createTransport(o);
let left = +e.MAILS;
for (let i = 0; i < +e.MAILS; i++)
	t.sendMail({ from: 'sender@example.org', to: e.TO.split(' ').join(', '), subject: 'x', text: fs.readFileSync(e.MSG, 'utf8').split('\n\n')[1] }, (err) => {
		if (err) console.error(err.message);
		if (--left == 0) t.close && t.close();
	});
setTimeout(() => process.exit(), 12000).unref();
