<?php
spl_autoload_register(function ($c) { @include str_replace(['\\', '_'], '/', $c) . '.php'; });
$e = getenv();
$s = new Horde_Smtp(['host' => $e['ADDR'], 'port' => $e['PORT'], 'localhost' => 'client.example.org', 'secure' => $e['TLS'] == 'smtps' ? 'ssl' : ($e['TLS'] ? 'tls' : false),
	'context' => ['ssl' => ['verify_peer' => false, 'verify_peer_name' => false]], 'username' => $e['LOGIN'] ? 'user' : null, 'password' => $e['LOGIN'] ? 'secret' : null]);
for ($i = 0; $i < $e['MAILS']; $i++) $s->send('sender@example.org', explode(' ', $e['TO']), fopen($e['MSG'], 'r'));
$s->logout();
