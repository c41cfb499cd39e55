use Mail::Sendmail;
my %e = %ENV;
local $/;
open my $f, '<', $e{MSG} or die;
my (undef, $text) = split /\n\n/, <$f>, 2;
sendmail(To => join(', ', split ' ', $e{TO}), From => 'sender@example.org', Subject => 'x', Message => $text, Smtp => $e{ADDR}, Port => $e{PORT}) or die $Mail::Sendmail::error;
