const e = process.env, fs = require('fs');
(async () => {
	let m;
	try { m = require('emailjs'); } catch { m = await import(e.NODE_PATH + '/emailjs/email.js'); }
	const o = { host: e.ADDR, port: +e.PORT, domain: 'client.example.org', tls: e.TLS == 'starttls' && { rejectUnauthorized: false }, ssl: e.TLS == 'smtps' && { rejectUnauthorized: false } };
	if (e.LOGIN) Object.assign(o, { user: 'user', password: 'secret' });
	const c = m.SMTPClient ? new m.SMTPClient(o) : m.server.connect(o);
	let left = +e.MAILS;
	for (let i = 0; i < +e.MAILS; i++)
		c.send({ text: fs.readFileSync(e.MSG, 'utf8').split('\n\n')[1], from: 'sender@example.org', to: e.TO.split(' ').join(', '), subject: 'x' }, (err) => {
			if (err) console.error(err.message);
			if (--left == 0) setTimeout(() => process.exit(), 300);
		});
	setTimeout(() => process.exit(), 12000);
})();
