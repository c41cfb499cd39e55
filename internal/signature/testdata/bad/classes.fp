; A wrong classes line is one fault, not one for each label.
classes = win unix

[tcp:request]
label = s:unix:Linux:
sig   = *:64:0:*:*,*:mss::0
label = s:mac:macOS:
sig   = *:64:0:*:*,*:mss,nop::0
