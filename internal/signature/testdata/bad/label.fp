; Below a label that is wrong the signatures are judged all the same.
classes = unix

[tcp:request]
label = x:unix:Linux:
sig   = *:64:0:*:*,*:mss::0
sig   = *:64:0:*:*,*:mss::1
label = s:unix:Linux
sys   = @unix
sig   = *:300:0:*:*,*:mss,nop::0
label = s:win:Windows:10
sig   = *:128:0:*:8192,8:mss,nop,ws,nop,nop,sok:df,id+:0
[mtu]
label =
sig   = 1500
sig   = 1500000
