; Windows: SYNs.
;
; Since Vista the option order is fixed, TTL 128, timestamps off by default. Boxes on
; the way make the TTL 64 or 255. Server editions ask for ECN in the SYN, client
; editions do not; on the second retransmission the request is dropped, so its absence
; proves nothing.

[tcp:request]

label  = s:win:Windows:Server 2019 and newer
source = public observation, NTLM build numbers with SYNs (17763), 2018 to 2025
date   = 2026-11
sig    = *:128|64|255:0:*:{64240,65535}|fit(64000..65535),8:mss,nop,ws,nop,nop,sok:df,id+?,ecn,flow?:0

label  = s:win:Windows:Server 2012 to 2016
source = public observation, NTLM build numbers with SYNs (14393), 2016 to 2025
date   = 2026-11
sig    = *:128|64|255:0:*:8192,8:mss,nop,ws,nop,nop,sok:df,id+?,ecn,flow?:0

; 64240 or 65535 bytes, or the whole segments near them: since build 1703.
label  = s:win:Windows:10 or 11 (Server 2019-2025)
source = public observation, User-Agents and NTLM builds with SYNs, 2017 to 2025
date   = 2026-11
sig    = *:128|64|255:0:*:{64240,65535}|fit(64000..65535),8:mss,nop,ws,nop,nop,sok:df,id+?,flow?:0

; 8192 bytes, scale 8 or 2: Vista, 7, 8, 8.1, their servers, and 10 to build 1607;
; with timestamps switched on too.
label  = s:win:Windows:Vista to 10 (build 1607)
source = public observation, NTLM build numbers with SYNs, 2009 to 2023
date   = 2026-11
uptime = random
sig    = *:128|64|255:0:*:8192,{2,8}:mss,nop,ws,nop,nop,sok:df,id+?,flow?:0
sig    = *:128:0:*:8192,{2,8}:mss,nop,ws,sok,ts:df,id+?,flow?:0

; 65535 without scaling or timestamps: XP and Server 2003.
label  = s:win:Windows:XP
source = public observation, mail clients with SYNs, to 2012
date   = 2026-11
sig    = *:128:0:*:65535,0:mss,nop,nop,sok:df,id+:0

label  = s:win:Windows:2000 to Server 2003
source = public observation, labelled captures to 2012
date   = 2026-11
sig    = *:128:0:*:16384,0:mss,nop,nop,sok:df,id+:0

; Timestamps of 2000 to 2003, when the registry's Tcp1323Opts asks for them: in the
; SYN they are zero.
label  = s:win:Windows:2000 to Server 2003
source = public observation, labelled captures (NTLM 5.1) to 2012; Microsoft KB 224829
date   = 2026-11
uptime = random
sig    = *:128:0:*:*,*:mss,nop,ws,nop,nop,ts,nop,nop,sok:df,id+,ts1-?:0

; 64240 without scaling: XP, or a newer one with scaling off, or behind a proxy.
label  = s:win:Windows:XP or newer without scaling
source = public observation, NTLM builds (5.1) and User-Agents with SYNs, 2009 to 2023
date   = 2026-11
sig    = *:128:0:*:{8192,64240}|fit(64000..65534),0:mss,nop,nop,sok:df,id+?,ecn?,flow?:0

; The same at TTL 64 is Windows behind a box that resets the TTL, or a Linux that has
; timestamps and scaling switched off.
label  = g:win:Windows or Linux:(without scaling)
source = own captures, kernels 5.10 to 7.3; public observation, User-Agents with SYNs, 2021 to 2023
date   = 2026-11
sig    = *:64:0:*:fit(65536),0:mss,nop,nop,sok:df,id+?,ecn?,flow?:0

; Any window on the option orders of Windows. TTL 64 and 255 are boxes that make their
; own; options that a box took out are left as a longer end of list or as NOPs.
label  = g:win:Windows:
or     = Xbox:
source = public observation, User-Agents with SYNs, 2021 to 2025
date   = 2026-11
uptime = random
sig    = *:128|64|255|32:0:*:*,*:mss,nop,ws,nop,nop,sok,[nop,eol+6|nop,nop,nop,nop]:df?,id+?,id-?,flow?,ecn?:*
sig    = *:128|64|255|32:0:*:*,*:mss,nop,nop,sok~,[nop,eol+6]:df?,id+?,id-?,flow?,ecn?:*
sig    = *:128:0:*:*,*:mss,nop,ws,sok,(ts|nop,nop|eol+1|eol+9):df?,id+?,id-?,flow?,ecn?:*
