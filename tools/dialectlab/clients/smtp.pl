use Net::SMTP;
my %e = %ENV;
local $/;
open my $f, '<', $e{MSG} or die;
my $text = <$f>;
my $s = Net::SMTP->new($e{ADDR}, Port => $e{PORT}, SSL => $e{TLS} eq 'smtps', SSL_verify_mode => 0, Timeout => 10) or die "no connection: $@";
$s->starttls(SSL_verify_mode => 0) if $e{TLS} eq 'starttls';
$s->auth('user', 'secret') if $e{LOGIN};
for (1 .. $e{MAILS}) {
	$s->mail('sender@example.org');
	$s->to(split(' ', $e{TO}), { SkipBad => 1 }) or exit $s->quit;
	$s->data($text);
}
$s->quit;
