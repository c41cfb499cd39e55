; Catch-alls that can never count.
classes = unix
[tcp:request]
label = g:unix:Linux:
sig   = *:64:0:*:*,*:mss,sok:df,id+:0
sig   = *:64:0:*:*,*:mss,nop:df,id+:0
label = g:unix:BSD:
sig   = *:64:0:*:*,*:mss,sok:df,id+:0
sig   = *:64:0:*:{5,7},*:mss,sok:df,id+:0
label = s:unix:FreeBSD:
sig   = *:64:0:*:*,*:mss,nop:df,id+:0
[http:request]
label = g:!:Browser:
sys   = @unix
sig   = 1:Host::
sig   = 1:Host,Via::
