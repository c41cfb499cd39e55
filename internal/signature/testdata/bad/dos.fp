; A file of Windows says so once; its other faults show too.
classes = unix
[tcp:request]
label = s:unix:Linux:
sig = *:64:0:*:*,*:mss::1
sig = *:64:0:*:*,*:nop::0
