; Devices and small stacks: SYNs.

[tcp:request]

; Four segments, TTL 255, may be fragmented, no other option than the MSS. The IP ID
; counts from 0.
label  = s:other:lwIP:
source = lwIP rule opt.h (TCP_WND, TCP_TTL); own captures, lwIP 2.1.3
date   = 2026-11
sig    = *:255:0:*:seg(4),0:mss:id-?:0

; The window and scale are those of the program's buffer; DF, IP ID 0.
label  = s:other:smoltcp:
source = own capture, smoltcp 0.14.0
date   = 2026-11
sig    = *:64:0:*:*,*:mss,ws,sok,eol+2:df:0

; One segment.
label = s:other:uIP:
source = uIP and Contiki rule UIP_RECEIVE_WINDOW
date  = 2026-11
sig   = *:64:0:*:mss*1,0:mss::0

label = s:other:F5 BIG-IP:
source = public observation of load balancers, to 2015
date  = 2026-11
uptime = random
sig   = *:255:0:*:mss*3,0:mss,nop,nop,ts,sok,eol+1:df,id+:0

; The window counts up from there with the MSS of the path.
label = g:other:F5 BIG-IP:
source = public observation of load balancers, 2015 to 2023
date  = 2026-11
uptime = random
sig   = *:255:0:*:*,0:mss,nop,nop,ts,sok,eol+1:df,id+:0

; The transparent proxies of mobile carriers and the accelerators of satellite links
; answer the client and open a connection of their own, with their own option order
; (ws, sok, ts), window and TTL, 64 or 255. The SYN is the box's; what it passes on tells
; a little of the client. The clients of such nets are phones, and computers behind them.

; The box clears DF and keeps the ID. Apple's ID is zero, that of the others is not.
label = g:unix:macOS or iOS:(behind a carrier proxy)
source = XNU rule ip_output (ID zero with DF); public observation, User-Agents with SYNs, 2021 to 2022
date  = 2026-11
uptime = random
sig   = 4:64|255:0:*:*,*:mss,nop,ws,sok,ts:id-,ecn?:*
sig   = 4:64|255:0:*:*,*:mss,sok,ts,ws,eol+0:id-,ecn?:*

; Timestamps are offered if the client offered them, and of today's systems Windows
; alone does not. Not so the boxes that open with 3 or 8 segments: see below.
label = g:win:Windows:(behind a carrier proxy)
or    = Android:
or    = iOS:
source = public observation, User-Agents with SYNs, 2021 to 2023
date  = 2026-11
uptime = random
sig   = *:255:0:*:16384..65535|seg(10),5..14:mss,nop,ws,sok,eol+1:df?,id+?,id-?,flow?,ecn?:*
sig   = *:255:0:*:*,0:mss,sok,eol+1:df?,id+?,id-?,flow?,ecn?:*
; a Windows with timestamps switched on: its window and scale, which no phone has
sig   = *:64|255:0:*:64240,8:mss,nop,ws,sok,ts:df?,id+?,id-?,flow?,ecn?:*
sig   = *:64:0:*:63680|64800..65534,8:mss,nop,ws,sok,ts:df?,id+?,id-?,flow?,ecn?:*

; BSD stacks leave out scaling and timestamps after some unanswered SYNs; those with an
; ID that is not zero are old, or VMware's.
label = g:unix:macOS or FreeBSD:(old)
or    = VMware ESXi:
or    = Windows:(behind a proxy)
source = public observation, labelled captures to 2023; FreeBSD rule tcp_timer_rexmt
date  = 2026-11
sig   = *:64:0:*:*,0:mss,sok,eol+1:df,id+?,flow?,ecn?:*

; Boxes that open with buffers of 64 KiB at scale 5 or 12, or with 12288 bytes: a third of
; the clients seen behind them is Windows, and nothing in the SYN says which.
label = g:unix:Android or iOS or Windows:(behind a proxy)
or    = macOS:
or    = Linux:
or    = ChromeOS:
source = public observation, User-Agents of every family with SYNs, 2021 to 2025
date   = 2026-11
uptime = random
sig   = *:64:0:*:65535,{5,12}:mss,nop,ws,sok,ts:df?,id+?,id-?,flow?,ecn?:*
sig   = *:64:0:*:{10240,12288},6:mss,nop,ws,sok,ts:df?,id+?,id-?,flow?,ecn?:*

; All else of these boxes.
label = g:unix:Android or iOS:(behind a carrier proxy)
or    = macOS:
or    = Linux:
or    = ChromeOS:
or    = Windows:
source = public observation, User-Agents of every family with SYNs, 2021 to 2025
date  = 2026-11
uptime = random
sig   = *:64|255:0:*:*,*:mss,nop,ws,sok,ts:df?,id+?,id-?,flow?,ecn?:*
sig   = *:64|255:0:*:*,*:mss,nop,ws,sok,eol+1:df?,id+?,id-?,flow?,ecn?:*

; 20 segments, rounded down to what scale 7 can say, without DF; over IPv6 without a
; flow label, which is what Linux 3.10 to 4.2 sends too.
label = s:unix:gVisor:
source = own captures of its netstack, 2026; MTU 1500, 1420 and 1280, the others by the rule
date  = 2026-11
uptime = random
sig   = *:64:0:*:{29184,28928,28800,28544,28288,28160,27904,27520,27136,26752,25600,24704,24320},7:mss,sok,ts,nop,ws::0

label = s:other:Nintendo:(3DS or Wii)
or    = Windows:
source = public observation of consoles, to 2015
date  = 2026-11
sig   = *:64:0:*:32768,0:mss,nop,nop,sok:df,id+:0

; The MSS alone. TTL 64 with DF: a BSD stack with its extensions switched off, or after
; several unanswered SYNs. Without DF, or TTL 255 or 128: small stacks, and scanners.
label = g:unix:macOS or FreeBSD:(without options)
or    = OpenBSD:
or    = Linux:
or    = Android:
source = FreeBSD rule tcp_addoptions; public observation, labelled captures to 2023
date  = 2026-11
sig   = *:64:0:*:*,0:mss:df,id+?,flow?,ecn?:0

; TTL 255 with DF: no stack sends that, lwIP among them; a box has set the TTL and
; answers for a client that it hides.
label = g:other:proxy or firewall:(only an MSS)
or    = Windows:(behind it)
or    = macOS:(behind it)
source = lwIP rule ip4_output (no DF); public observation, User-Agents of every family with SYNs, 2021 to 2025
date  = 2026-11
sig   = *:255:0:*:*,0:mss:df,id+?,flow?,ecn?:0
sig   = 4:255:0:*:32768,0:mss:id-?:0

label = g:other:embedded:(only an MSS)
or    = lwIP:
or    = Windows:
or    = scanner:
source = lwIP, uIP and FreeRTOS rules; public observation, labelled captures to 2023
date  = 2026-11
sig   = *:64|255|128|32:0:*:*,0:mss:df?,id+?,id-?,flow?,ecn?:0
