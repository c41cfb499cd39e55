use Email::Sender::Simple qw(sendmail);
use Email::Sender::Transport::SMTP;
my %e = %ENV;
local $/;
open my $f, '<', $e{MSG} or die;
my $text = <$f>;
my $t = Email::Sender::Transport::SMTP->new({ host => $e{ADDR}, port => $e{PORT}, ssl => $e{TLS} eq 'smtps' ? 'ssl' : $e{TLS} ? 'starttls' : 0,
	ssl_options => { SSL_verify_mode => 0 }, ($e{LOGIN} ? (sasl_username => 'user', sasl_password => 'secret') : ()) });
sendmail($text, { from => 'sender@example.org', to => [split ' ', $e{TO}], transport => $t });
