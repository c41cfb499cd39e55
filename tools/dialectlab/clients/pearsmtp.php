<?php
require 'Net/SMTP.php';
$e = getenv();
$s = new Net_SMTP(($e['TLS'] == 'smtps' ? 'ssl://' : '') . $e['ADDR'], $e['PORT'], 'client.example.org', false, 10, ['ssl' => ['verify_peer' => false, 'verify_peer_name' => false]]);
$s->connect(10);
if ($e['TLS'] == 'starttls') $s->starttls();
if ($e['LOGIN']) $s->auth('user', 'secret', 'PLAIN', false);
for ($i = 0; $i < $e['MAILS']; $i++) {
	$s->mailFrom('sender@example.org');
	foreach (explode(' ', $e['TO']) as $t) $s->rcptTo($t);
	$s->data(file_get_contents($e['MSG']));
}
$s->disconnect();
