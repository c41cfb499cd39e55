<?php
@include 'Doctrine/Common/Lexer/autoload.php';
@include 'Egulias/EmailValidator/autoload.php';
require 'Swift/swift_required.php';
$e = getenv();
$t = new Swift_SmtpTransport($e['ADDR'], $e['PORT'], $e['TLS'] == 'smtps' ? 'ssl' : ($e['TLS'] ? 'tls' : null));
$t->setStreamOptions(['ssl' => ['verify_peer' => false, 'verify_peer_name' => false, 'allow_self_signed' => true]]);
if ($e['LOGIN']) $t->setUsername('user')->setPassword('secret');
$mailer = new Swift_Mailer($t);
for ($i = 0; $i < $e['MAILS']; $i++)
	$mailer->send((new Swift_Message('x'))->setFrom('sender@example.org')->setTo(explode(' ', $e['TO']))->setBody(explode("\n\n", file_get_contents($e['MSG']), 2)[1]));
