const { SMTPClient } = require('smtp-client');
const e = process.env, fs = require('fs');
(async () => {
	const s = new SMTPClient({ host: e.ADDR, port: +e.PORT, secure: e.TLS == 'smtps', rejectUnauthorized: false });
	await s.connect();
	await s.greet({ hostname: 'client.example.org' });
	if (e.TLS == 'starttls') { await s.secure({ rejectUnauthorized: false }); await s.greet({ hostname: 'client.example.org' }); }
	if (e.LOGIN) await s.authPlain({ username: 'user', password: 'secret' });
	for (let i = 0; i < +e.MAILS; i++) {
		await s.mail({ from: 'sender@example.org' });
		for (const t of e.TO.split(' ')) await s.rcpt({ to: t });
		await s.data(fs.readFileSync(e.MSG, 'utf8').replace(/\n/g, '\r\n'));
	}
	await s.quit();
})().catch((x) => { console.error(x.message); process.exit(1); });
setTimeout(() => process.exit(), 12000).unref();
