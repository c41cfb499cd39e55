classes = unix
[tcp:request]
label = s:unix:Linux:
sig   = *:64:0:*:mss*44,7:mss,sok,ts,nop,ws:df,id+:0
