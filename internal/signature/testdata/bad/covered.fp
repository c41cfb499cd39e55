; Signatures that an earlier one covers: the very same, a part of a rule, and a
; number that a multiple takes.
classes = unix
[tcp:request]
label = s:unix:Linux:
sig   = *:64|255:0:*:fit(65536),5..9:mss,[nop]::0
sig   = 4:64:0:*:8192,0:mss:df,id+:0
sig   = 4:64:0:*:%512,0:mss,sok:df,id+:0
label = s:unix:FreeBSD:
sig   = *:64:0:*:fit(65536),7:mss::0
sig   = 4:64:0:*:8192,0:mss:df,id+:0
sig   = 4:64:0:*:1024,0:mss,sok:df,id+:0
