; Labels without signatures, and links twice.
classes = unix
[mtu]
label = Ethernet
sig   = 1500
sig   = 1492
label = DSL
sig   = 1492
sig   = 1500
label = PPPoE
[tcp:request]
label = s:unix:Linux:5.x
label = s:unix:Linux:6.x
source = own captures
sig   = *:64:0:*:*,*:mss::0
[http:response]
label = s:!:nginx:1.x
sys   = @unix
