use MIME::Lite;
my %e = %ENV;
local $/;
open my $f, '<', $e{MSG} or die;
my (undef, $text) = split /\n\n/, <$f>, 2;
MIME::Lite->new(From => 'sender@example.org', To => join(', ', split ' ', $e{TO}), Subject => 'x', Data => $text)->send('smtp', $e{ADDR}, Port => $e{PORT}, Timeout => 10);
