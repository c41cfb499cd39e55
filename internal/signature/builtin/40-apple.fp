; Apple: SYNs.
;
; One option order for all systems, window 65535, TTL 64. macOS cannot be told from
; iOS. The IP ID of a SYN is zero since macOS 10.13 and iOS 11, random before.
; Current systems ask for ECN on a part of their connections. Multipath TCP stands
; before the timestamps. With TCP Fast Open the option takes the place of the end of list.

[tcp:request]

label  = s:unix:macOS or iOS:10.14 or newer/iOS 14 or newer
source = public observation, User-Agents with SYNs, 2021 to 2025
date   = 2026-11
uptime = random
sig    = *:64|255:0:*:65535,6:mss,nop,ws,[?30],(nop,nop,ts~,sok,eol+1|nop,nop,ts~,sok,?34|sok,eol+1):df,id+?,flow?,ecn?:*

; Scale 5: macOS 10.13, a part of the later ones, iOS 14 and later.
label  = s:unix:macOS or iOS:10.13 or newer/iOS 11 or newer
source = public observation, User-Agents with SYNs, 2021 to 2025
date   = 2026-11
uptime = random
sig    = *:64|255:0:*:65535,5:mss,nop,ws,[?30],(nop,nop,ts~,sok,eol+1|nop,nop,ts~,sok,?34|sok,eol+1):df,flow?,ecn?:*

label  = s:unix:iOS:12 or 13
or     = macOS:
source = public observation, User-Agents with SYNs, 2021 to 2023
date   = 2026-11
uptime = random
sig    = *:64|255:0:*:65535,7:mss,nop,ws,nop,nop,ts~,sok,eol+1:df,flow?,ecn?:*

label  = s:unix:macOS:10.9 to 10.12 (or iOS 7-10)
source = public observation, labelled captures, 2013 to 2017
date   = 2026-11
uptime = random
sig    = 4:64:0:*:65535,{4,5}:mss,nop,ws,nop,nop,ts,sok,eol+1:df,id+,ecn?:0

; Any window and scale on this order, with or without timestamps.
label  = g:unix:macOS or iOS:
source = XNU rule tcp_output; public observation, User-Agents with SYNs, 2021 to 2025
date   = 2026-11
uptime = random
sig    = *:64|255|128|32:0:*:*,*:mss,nop,ws,[?30],nop,nop,ts~,sok,eol+1:df?,id+?,id-?,flow?,ecn?:*
sig    = *:64:0:*:*,*:mss,nop,ws,(sok,eol+1|nop,nop,ts,nop,nop,eol+1):df?,id+?,id-?,flow?,ecn?:*
sig    = *:64|32:0:*:*,0:mss,nop,ws~,nop,nop,ts~,sok~,eol+1:df?,id+?,id-?,flow?,ecn?:*
sig    = *:64:0:*:*,*:mss,(sok,ts,ws,eol+0|ts,sok,ws,eol+0):df?,id+?,id-?,flow?,ecn?:*

; After some unanswered SYNs, BSD stacks leave out scaling and timestamps.
source = public observation, User-Agents with SYNs, 2023
date   = 2026-11
sig    = *:64:0:*:65535,0:mss,sok,eol+1:df,flow?,ecn?:*
