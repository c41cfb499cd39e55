; Linux: SYNs.
;
; The kernel offers as many whole segments as fit a space, at most 65535 bytes. The
; space is the default receive buffer counted half, or 65/256 of it in 6.6 to 6.9;
; before 4.20 it was a number of segments. The scale follows from the largest buffer.
; Timestamps, SACK, scaling, Multipath TCP, Fast Open and ECN are switches.
; TTL 255 and options overwritten with NOPs are the work of boxes on the way.

[tcp:request]

; 6.16 made the largest receive buffer 32 MiB, hence scale 10. The same scale comes
; from an older kernel whose tcp_rmem was raised to 32 MiB.
label  = s:unix:Linux:6.16 and newer (or tuned)
source = kernel source: tcp_select_initial_window; own captures, kernels 5.10 to 7.3
date   = 2026-11
uptime = random
sig    = *:64|255:0:*:fit(65536),10:mss,(sok~,ts~,nop,ws|nop,nop,sok,nop,ws|nop,nop,ts,nop,ws|nop,ws),[?30|?34,nop,nop]:df,id+?,flow?,ecn?:*

; A receive buffer of 128 KiB counted half. Scale 7 is the default to 6.15 and that of
; small machines since; 8 and 9 are machines of 2 to 4 GB since 6.16, or tuned ones;
; small ones come from programs that set SO_RCVBUF.
label  = s:unix:Linux:4.20 and newer
or     = ChromeOS:
or     = Android:
or     = Roku:
source = kernel source: tcp_select_initial_window; own captures, kernels 5.10 to 7.3
date   = 2026-11
uptime = random
sig    = *:64|255:0:*:fit(65536),0..7:mss,(sok~,ts~,nop,ws|nop,nop,sok,nop,ws|nop,nop,ts,nop,ws|nop,ws),[?30|?34,nop,nop]:df,id+?,flow?,ecn?:*
sig    = *:64|255:0:*:fit(65536),0:mss,sok,ts,[?30|?34,nop,nop]:df,id+?,flow?,ecn?:*
sig    = *:64:0:*:fit(65536),0:mss:df,id+?,flow?,ecn?:0

; Larger scales: a kernel of 2 to 4 GB since 6.16, or any whose buffers were raised.
label  = s:unix:Linux:4.20 and newer (or tuned)
source = kernel source: tcp_select_initial_window; own captures, kernels 4.4 to 7.3
date   = 2026-11
uptime = random
sig    = *:64|255:0:*:fit(65536),{8,9,11..14}:mss,(sok~,ts~,nop,ws|nop,nop,sok,nop,ws|nop,nop,ts,nop,ws|nop,ws),[?30|?34,nop,nop]:df,id+?,flow?,ecn?:*

; On jumbo frames 20 segments of old kernels and the space of 6.6 to 6.9 are the same.
label  = s:unix:Linux:3.10 to 6.9
source = kernel source: tcp_select_initial_window
date   = 2026-11
uptime = random
sig    = *:64|255:0:*:{26820,26880,26883},*:mss,(sok~,ts~,nop,ws|nop,nop,sok,nop,ws|nop,nop,ts,nop,ws|nop,ws):df,id+?,flow?,ecn?:*

label  = s:unix:Linux:6.6 to 6.9 (or tuned)
source = kernel source: default scaling ratio of 6.6; public observation of Ubuntu 24.04
date   = 2026-11
uptime = random
sig    = *:64|255:0:*:fit(33280|32768),*:mss,(sok~,ts~,nop,ws|nop,nop,sok,nop,ws|nop,nop,ts,nop,ws|nop,ws),[?30|?34,nop,nop]:df,id+?,flow?,ecn?:*
sig    = *:64|255:0:*:fit(33280|32768),0:mss,sok,ts,[?30|?34,nop,nop]:df,id+?,flow?,ecn?:*
sig    = *:64:0:*:fit(33280|32768),0:mss:df,id+?,flow?,ecn?:0

; tcp_rmem of 87380 bytes, which guides to tuning recommend, as 6.6 to 6.9 count it.
label  = s:unix:Linux:6.6 to 6.9 (tuned)
source = kernel source: default scaling ratio of 6.6; not seen
date   = 2026-11
uptime = random
sig    = *:64|255:0:*:fit(22185),*:mss,(sok~,ts~,nop,ws|nop,nop,sok,nop,ws),[?30|?34,nop,nop]:df,id+?,flow?,ecn?:*

; The same, counted half; 16384 bytes; and SO_RCVBUF of 16 KiB.
label  = s:unix:Linux:4.20 and newer (tuned)
source = kernel source: tcp_select_initial_window; own captures, kernels 5.10 to 7.3
date   = 2026-11
uptime = random
sig    = *:64|255:0:*:fit(43690),*:mss,(sok~,ts~,nop,ws|nop,nop,sok,nop,ws|nop,nop,ts,nop,ws|nop,ws),[?30|?34,nop,nop]:df,id+?,flow?,ecn?:*

; tcp_rmem of 16384 bytes, and SO_RCVBUF of 16 KiB: any kernel.
label  = s:unix:Linux:(tuned)
source = kernel source: tcp_select_initial_window; own captures, kernels 4.4 to 7.3
date   = 2026-11
uptime = random
sig    = *:64:0:*:fit(8192),5..14:mss,(sok,ts,nop,ws|nop,nop,sok,nop,ws),[?30|?34,nop,nop]:df,id+?,flow?,ecn?:*
sig    = *:64:0:*:fit(16384),0:mss,(sok,ts,nop,ws|nop,nop,sok,nop,ws),[?30|?34,nop,nop]:df,id+?,flow?,ecn?:*

label  = s:unix:Linux:3.10 to 4.19
or     = ChromeOS:
or     = gVisor:
source = kernel source: initial window of 20 segments; public observation, 2013 to 2023
date   = 2026-11
uptime = random
sig    = *:64|255:0:*:seg(20),*:mss,(sok~,ts~,nop,ws|nop,nop,sok,nop,ws|nop,nop,ts,nop,ws|nop,ws),[?30|?34,nop,nop]:df,id+?,flow?,ecn?:*
sig    = *:64|255:0:*:seg(20),0:mss,sok,ts,[?30|?34,nop,nop]:df,id+?,flow?,ecn?:*
sig    = *:64:0:*:seg(20),0:mss:df,id+?,flow?,ecn?:0

label  = s:unix:Linux:2.6.32 to 3.10
source = kernel source: initial window of 10 segments; public observation to 2023
date   = 2026-11
uptime = boot
sig    = *:64|255:0:*:seg(10),*:mss,(sok~,ts~,nop,ws|nop,nop,sok,nop,ws|nop,nop,ts,nop,ws|nop,ws):df,id+?,flow?,ecn?:*

label  = s:unix:Linux:2.4 to 2.6
source = public observation, labelled captures to 2012
date   = 2026-11
uptime = boot
sig    = *:64|255:0:*:seg(4),*:mss,(sok~,ts~,nop,ws|nop,nop,sok,nop,ws|nop,nop,ts,nop,ws|nop,ws):df,id+?,flow?,ecn?:*

; illumos has a receive buffer of 128000 bytes, so 65535 and scale 1. A Linux of 6.6 to 6.9
; does the same for a program with an SO_RCVBUF of 128 KiB.
label  = s:unix:Linux or Solaris:
or     = Solaris:(illumos)
source = illumos rule tcp_xmit_mp and tcp_recv_buf, not seen; own captures, kernel 6.8
date   = 2026-11
uptime = random
sig    = *:64:0:*:65535,1:mss,sok,ts,nop,ws:df,id+,flow?,ecn?:0

; Android's default buffer is larger than 65535 counted half; so is that of servers
; with tcp_rmem of 175000 bytes or more.
label  = s:unix:Linux or Android:
or     = ChromeOS:
or     = Fire TV:
source = own captures, kernels 5.10 to 7.3; public observation, User-Agents with SYNs, 2021 to 2025
date   = 2026-11
uptime = random
sig    = *:64|255:0:*:65535,*:mss,(sok,ts,nop,ws|sok,nop,nop,nop,ws|nop,nop,sok,nop,ws|nop,nop,ts,nop,ws),[?30|?34,nop,nop]:df,id+?,flow?,ecn?:*
sig    = *:64:0:*:65535,*:mss,(sok,ts,nop,ws|sok,nop,nop,nop,ws|nop,nop,sok,nop,ws|nop,nop,ts,nop,ws),[?30|?34,nop,nop]:df?,id+?,id-?,flow?,ecn?:*

label  = s:unix:Linux:(signed windows)
source = kernel source: tcp_workaround_signed_windows; own captures, kernels 5.10 to 7.3
date   = 2026-11
uptime = random
sig    = *:64|255:0:*:32767,*:mss,(sok,ts,nop,ws|nop,nop,sok,nop,ws):df,id+?,flow?,ecn?:*

; Any window on these orders, with what boxes on the way leave of them.
label  = g:unix:Linux:
or     = Android:
or     = ChromeOS:
source = kernel source: tcp_options_write; public observation, User-Agents with SYNs, 2021 to 2025
date   = 2026-11
uptime = random
sig    = *:64|255|128|32:0:*:*,*:mss,(sok~,ts~,nop,ws|nop,nop,sok,nop,ws|nop,nop,ts,nop,ws),[?30|?34,nop,nop|nop,nop,nop,nop]:df?,id+?,id-?,flow?,ecn?:*
sig    = *:64|255|128|32:0:*:*,0:mss,sok,ts,[?30|?34,nop,nop]:df?,id+?,id-?,flow?,ecn?:*
sig    = *:64:0:*:*,*:mss,nop,ws,[?30|?34,nop,nop]:df?,id+?,id-?,flow?,ecn?:*
; options sorted otherwise, by a box that writes them anew
sig    = *:64|255:0:*:*,*:mss,(nop,ws,nop,nop,sok,nop,nop,ts|sok,ws,eol+2|ws,sok,ts,eol+0|ws,sok,eol+2):df?,id+?,id-?,flow?,ecn?:*
