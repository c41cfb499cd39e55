; What stands in an unknown section cannot be judged; what follows can.
classes = unix
[tcp:requests]
label = nonsense
sig   = nonsense
[tcp:request]
label = s:unix:Linux:
sig   = *:64:0:*:*,*:mss:unknown:0
