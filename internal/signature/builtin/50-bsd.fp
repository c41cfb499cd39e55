; The BSDs, Solaris and VMware: SYNs.

[tcp:request]

; ID zero on packets that may not be fragmented since 11; scale 6 from a largest
; socket buffer of 2 MiB.
label = s:unix:FreeBSD:11 and newer
source = FreeBSD rule ip_fillid and sb_max; public observation to 2023
date  = 2026-11
uptime = random
sig   = *:64:0:*:65535,6:mss,nop,ws,sok,ts:df:0
sig   = 6:64:0:*:65535,6:mss,nop,ws,sok,ts:flow:0

; The same with a larger kern.ipc.maxsockbuf: 4 to 32 MiB.
label = g:unix:FreeBSD:
source = FreeBSD rule sb_max, not seen
date  = 2026-11
uptime = random
sig   = *:64:0:*:65535,7:mss,nop,ws,sok,ts:df:0
sig   = 6:64:0:*:65535,7:mss,nop,ws,sok,ts:flow:0
sig   = *:64:0:*:65535,8:mss,nop,ws,sok,ts:df:0
sig   = 6:64:0:*:65535,8:mss,nop,ws,sok,ts:flow:0
sig   = *:64:0:*:65535,9:mss,nop,ws,sok,ts:df:0
sig   = 6:64:0:*:65535,9:mss,nop,ws,sok,ts:flow:0
sig   = *:64:0:*:65535,10:mss,nop,ws,sok,ts:df:0
sig   = 6:64:0:*:65535,10:mss,nop,ws,sok,ts:flow:0

label = s:unix:FreeBSD:9 or 10
or    = PlayStation:(4 or 5)
source = public observation, labelled captures to 2015
date  = 2026-11
uptime = boot
sig   = *:64:0:*:65535,6:mss,nop,ws,sok,ts:df,id+:0

; Scale 3.
label = s:unix:FreeBSD:7 or 8
source = public observation, labelled captures to 2012
date  = 2026-11
uptime = boot
sig   = *:64:0:*:65535,3:mss,nop,ws,sok,ts:df,id+:0

; A receive buffer of 65536 bytes is one more than 65535, hence scale 1; the order is
; that of 4.4BSD: FreeBSD 5 and 6, old macOS.
label = s:unix:macOS or FreeBSD:(old)
source = FreeBSD rule tcp_output and tcp_recvspace; public observation, labelled captures to 2010
date  = 2026-11
uptime = boot
sig   = *:64:0:*:65535,1:mss,nop,ws,nop,nop,ts,[sok,eol+1]:df,id+,flow?:0

; The order of 4.4BSD without SACK: AIX, which leaves SACK out by default, and systems
; of before 2005.
label = g:unix:AIX or BSD:(old)
or    = AIX:
or    = NetBSD:
or    = FreeBSD:(5 or older)
or    = macOS:(10.2 to 10.4)
source = 4.4BSD rule tcp_output (scaling and timestamps of RFC 1323, no SACK); public observation of AIX and HP-UX peers
date  = 2026-11
uptime = random
sig   = *:64|255:0:*:*,*:mss,nop,ws,nop,nop,ts:df?,id+?,id-?,flow?,ecn?:0

; Scale 6 follows from a largest socket buffer of 2 MiB, 3 and 0 were before it.
label = s:unix:OpenBSD:4.9 and newer
source = OpenBSD rule tcp_output and SB_MAX, not seen with scale 6
date  = 2026-11
uptime = random
sig   = *:64:0:*:16384,6:mss,nop,nop,sok,nop,ws,nop,nop,ts:df,id+:0
sig   = 6:64:0:*:16384,6:mss,nop,nop,sok,nop,ws,nop,nop,ts:flow:0

label = s:unix:OpenBSD:4.8 or older
source = public observation, labelled captures to 2012
date  = 2026-11
uptime = random
sig   = *:64:0:*:16384,3:mss,nop,nop,sok,nop,ws,nop,nop,ts:df,id+:0
sig   = *:64:0:*:16384,0:mss,nop,nop,sok,nop,ws,nop,nop,ts:df,id+:0

; Any window and scale on this order.
label = g:unix:OpenBSD:
source = OpenBSD rule tcp_output
date  = 2026-11
uptime = random
sig   = *:64|255:0:*:*,*:mss,nop,nop,sok,nop,ws,nop,nop,ts:df?,id+?,flow?,ecn?:0

; Option order from the source; windows from recall, so generic.
label = g:unix:NetBSD:
source = NetBSD rule tcp_output, not seen
date  = 2026-11
uptime = random
sig   = *:64:0:*:*,*:mss,nop,ws,sok,nop,nop,nop,nop,ts:df,id+:0
sig   = *:64:0:*:*,*:mss,nop,ws,sok,nop,nop,nop,nop,ts:df:0
sig   = 6:64:0:*:*,*:mss,nop,ws,sok,nop,nop,nop,nop,ts:flow:0

; 49640 bytes at MSS 1460.
label = s:unix:Solaris:10
source = public observation of Solaris 10, to 2012
date  = 2026-11
sig   = *:64:0:*:mss*34,0:mss,nop,ws,nop,nop,sok:df,id+:0

label = s:unix:VMware ESXi:
source = public observation of ESXi hosts, to 2023
date  = 2026-11
uptime = random
sig   = *:64:0:*:65535,9:mss,nop,ws,sok,ts:df,id+:0
