; All sorts of faults, one below the other.
classes = win,unix,other
colour = red
sig = *:64:0:*:*,*:mss::0
label = s:unix:Nobody:in no section

[tcp:request]
sig   = *:64:0:*:*,*:mss,nop::1
sig   = *:64:0:*:*,*:mss,nop::0
label = s:unix:Linux:6.x
date  = last year
source =
sig   = *:64:0:*:mss*44,7:mss,sock,ts::0
sig   = *:64:0:*:fit(65536,7:mss::0
sig   = *:64:0:*:*,5..4:mss::0
sig   = 6:64:0:*:*,*:mss:df:0
sig   = *:64:0:*:*,*:[mss,[ts]]::0
sig   = *:64:0:*:*,*:mss:dff:0
sig   = *:64:0:*:*,*:mss::0 ; a comment
or    = Android:
sig   = *:64:0:*:*,*:mss,sok::0
hello

[tcp:response]
label = s:!:nmap:
label = s:!:masscan:
sig   = *:255:0:*:*,*:mss::0
sys   = @bsd

[http:request]
label = s:!:Firefox:
sys   = @unix,
sig   = 1:Host,User-Agent
sig   = 2:Host::
