<?php
$dir = '/usr/share/php/libphp-phpmailer/src/';
foreach (['Exception', 'SMTP', 'PHPMailer'] as $c) require $dir . $c . '.php';
$e = getenv();
$m = new PHPMailer\PHPMailer\PHPMailer(true);
$m->isSMTP();
$m->Host = strpos($e['ADDR'], ':') === false ? $e['ADDR'] : '[' . $e['ADDR'] . ']';
$m->Port = $e['PORT'];
$m->SMTPSecure = $e['TLS'] == 'smtps' ? 'ssl' : ($e['TLS'] ? 'tls' : '');
$m->SMTPAutoTLS = true;
$m->SMTPKeepAlive = $e['MAILS'] > 1;
$m->SMTPOptions = ['ssl' => ['verify_peer' => false, 'verify_peer_name' => false]];
if ($e['LOGIN']) { $m->SMTPAuth = true; $m->Username = 'user'; $m->Password = 'secret'; }
$m->setFrom('sender@example.org');
foreach (explode(' ', $e['TO']) as $t) $m->addAddress($t);
$m->Subject = 'x';
$m->Body = explode("\n\n", file_get_contents($e['MSG']), 2)[1];
$m->CharSet = 'utf-8';
for ($i = 0; $i < $e['MAILS']; $i++) $m->send();
