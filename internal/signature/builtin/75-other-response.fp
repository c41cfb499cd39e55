; Windows, Apple and FreeBSD: SYN+ACKs.
;
; The option orders are those of the SYNs of the same stacks, less what the other side
; did not offer. None was captured by us; windows are from recall.

[tcp:response]

label = s:win:Windows:10 or Server 2016 and newer
source = recall of SYN+ACKs of this stack, not seen
date  = 2026-11
uptime = random
sig   = *:128:0:*:65535,8:mss,nop,ws,nop,nop,sok:df,id+:0
sig   = *:128:0:*:mss*44,8:mss,nop,ws,nop,nop,sok:df,id+:0
sig   = *:128:0:*:65535,8:mss,nop,ws,sok,ts:df,id+:0
sig   = *:128:0:*:mss*44,8:mss,nop,ws,sok,ts:df,id+:0

label = s:win:Windows:Vista to Server 2016
source = recall of SYN+ACKs of this stack, not seen
date  = 2026-11
uptime = random
sig   = *:128:0:*:8192,8:mss,nop,ws,nop,nop,sok:df,id+:0
sig   = *:128:0:*:8192,8:mss,nop,ws,sok,ts:df,id+:0

label = g:win:Windows:
source = the option orders of the SYNs
date  = 2026-11
uptime = random
sig   = *:128:0:*:*,*:mss,nop,ws,nop,nop,sok:df,id+:0
sig   = *:128:0:*:*,*:mss,nop,ws,sok,ts:df,id+:0
sig   = *:128:0:*:*,*:mss,nop,nop,sok:df,id+:0

label = g:unix:macOS or iOS:
source = XNU rule tcp_output, which makes both; not seen
date  = 2026-11
uptime = random
sig   = *:64:0:*:65535,*:mss,nop,ws,nop,nop,ts,sok,eol+1:df:0
sig   = 6:64:0:*:65535,*:mss,nop,ws,nop,nop,ts,sok,eol+1:flow:0

label = g:unix:FreeBSD:
source = FreeBSD rule tcp_addoptions, which makes both; not seen
date  = 2026-11
uptime = random
sig   = *:64:0:*:65535,*:mss,nop,ws,sok,ts:df:0
sig   = 6:64:0:*:65535,*:mss,nop,ws,sok,ts:flow:0

; Without scaling, SACK or timestamps in the SYN they are not in the answer either; XNU
; and FreeBSD then fill up with NOPs and an end of list.
label = g:unix:macOS or iOS:
source = XNU rule tcp_output; not seen
date  = 2026-11
uptime = random
sig   = *:64:0:*:65535,*:mss,nop,ws,(sok,eol+1|nop,nop,ts):df,flow?,ecn?:0

label = g:unix:OpenBSD:
source = OpenBSD rule tcp_output, which makes both; not seen
date  = 2026-11
uptime = random
sig   = *:64:0:*:*,*:mss,nop,nop,sok,nop,ws,[nop,nop,ts]:df,id+,flow?,ecn?:0

label = g:unix:NetBSD:
source = NetBSD rule tcp_output and syn_cache_respond; not seen
date  = 2026-11
uptime = random
sig   = *:64:0:*:*,*:mss,nop,ws,sok,nop,nop,nop,nop,ts:df?,id+?,flow?,ecn?:0

label = g:unix:VMware ESXi:
source = the option order of its SYNs
date  = 2026-11
uptime = random
sig   = *:64:0:*:65535,9:mss,nop,ws,sok,ts:df,id+:0

label = g:other:F5 BIG-IP:
source = the option order of its SYNs; public observation of load balancers, to 2023
date  = 2026-11
uptime = random
sig   = *:255:0:*:*,*:mss,[nop,ws],nop,nop,ts,sok,eol+1:df,id+?,ecn?:0

label = g:other:embedded:(only an MSS)
or    = lwIP:
source = lwIP, uIP and FreeRTOS rules
date  = 2026-11
sig   = *:255:0:*:*,0:mss::0

; gVisor, smoltcp and lwIP answer as they ask.
label  = s:unix:gVisor:
source = own capture, gvisor.dev/gvisor of 2025-05
date   = 2026-11
uptime = random
sig    = *:64:0:*:{29184,28928,28800,28544,28288,28160,27904,27520,27136,26752,25600,24704,24320},7:mss,sok,ts,nop,ws::0

label  = s:other:smoltcp:
source = own capture, smoltcp 0.14.0
date   = 2026-11
sig    = *:64:0:*:*,*:mss,ws,sok,eol+2:df:0

label  = s:other:lwIP:
source = lwIP rule opt.h (TCP_WND, TCP_TTL); own captures, lwIP 2.1.3
date   = 2026-11
sig    = *:255:0:*:seg(4),0:mss:id-?:0
