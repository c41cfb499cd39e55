<?php
foreach (['Symfony/Component/Mailer/autoload.php', 'Symfony/Component/Mime/autoload.php'] as $f) require_once $f;
$e = getenv();
$t = new Symfony\Component\Mailer\Transport\Smtp\EsmtpTransport(strpos($e['ADDR'], ':') === false ? $e['ADDR'] : '[' . $e['ADDR'] . ']', $e['PORT'], $e['TLS'] == 'smtps');
$t->getStream()->setStreamOptions(['ssl' => ['verify_peer' => false, 'verify_peer_name' => false, 'allow_self_signed' => true]]);
if ($e['LOGIN']) { $t->setUsername('user'); $t->setPassword('secret'); }
$mailer = new Symfony\Component\Mailer\Mailer($t);
for ($i = 0; $i < $e['MAILS']; $i++)
	$mailer->send((new Symfony\Component\Mime\Email())->from('sender@example.org')->to(...explode(' ', $e['TO']))->subject('x')->text(explode("\n\n", file_get_contents($e['MSG']), 2)[1]));
