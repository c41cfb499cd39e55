; Devices and small stacks: SYNs.

[tcp:request]

; Four segments, TTL 255, may be fragmented, no other option than the MSS.
label = s:other:lwIP:
source = lwIP rule opt.h (TCP_WND, TCP_TTL)
date  = 2026-11
sig   = *:255:0:*:mss*4,0:mss::0

; One segment.
label = s:other:uIP:
source = uIP and Contiki rule UIP_RECEIVE_WINDOW
date  = 2026-11
sig   = *:64:0:*:mss*1,0:mss::0

label = s:other:F5 BIG-IP:
source = public observation of load balancers, to 2015
date  = 2026-11
sig   = *:255:0:*:mss*3,0:mss,nop,nop,ts,sok,eol+1:df,id+:0

; Mobile carriers' proxies and satellite accelerators send these option orders with
; windows of their own, in front of anything. They say nothing of the client, so
; they have a name of their own rather than the nearest system's.
label = g:other:proxy:(mobile carrier)
or    = Android:
or    = iOS:
or    = Windows:
source = public observation, User-Agents of every family with SYNs, 2021 to 2025
date  = 2026-11
sig   = *:64|255:0:*:*,*:mss,nop,ws,sok,ts:df?,id+?,id-?,flow?,ecn?:*
sig   = *:255:0:*:*,*:mss,nop,ws,sok,eol+1:df?,id+?,id-?,flow?,ecn?:*
sig   = *:64|255:0:*:*,0:mss,sok,eol+1:df?,id+?,id-?,flow?,ecn?:*
