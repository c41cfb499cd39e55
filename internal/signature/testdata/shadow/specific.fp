; The same twice, which p0f overlooks: it compares df and id+ of a signature for
; any version with those of an IPv6 packet.
classes = unix
[tcp:request]
label = s:unix:Linux:
sig   = *:64:0:*:mss*44,*:mss,sok:df,id+:0
sig   = *:64:0:*:mss*44,7:mss,sok:df,id+:0
