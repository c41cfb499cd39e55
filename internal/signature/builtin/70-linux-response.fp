; Linux: SYN+ACKs.
;
; The answer holds only options that the SYN offered, so each kernel answers in several
; orders. The window is counted in segments less the 12 bytes of timestamps, when
; there are any, of the smaller of both MSS. The IP ID is zero. AccECN puts its option
; among the others.

[tcp:response]

; Scale 10, as for the SYNs.
label  = s:unix:Linux:6.16 and newer (or tuned)
source = kernel source: tcp_openreq_init_rwin; own captures, kernels 5.10 to 7.3
date   = 2026-11
uptime = random
sig    = *:64:0:*:fit(65536/*),10:mss,(sok,ts,nop,ws|nop,nop,sok,nop,ws|nop,nop,ts,nop,ws|nop,ws),[?30|?34,nop,nop]:df,id+?,flow?,ecn?:*
sig    = *:64:0:*:fit(65536/*),10:mss,sok,ts,(?174,nop,nop,ws|?174,nop,ws,?30):df,id+?,flow?,ecn?:*

; 64 KiB of window, in all orders that the SYN may ask for.
label  = s:unix:Linux:4.20 and newer
source = kernel source: tcp_openreq_init_rwin; own captures, kernels 5.10 to 7.3
date   = 2026-11
uptime = random
sig    = *:64:0:*:fit(65536/*),0..7:mss,(sok,ts,nop,ws|nop,nop,sok,nop,ws|nop,nop,ts,nop,ws|nop,ws),[?30|?34,nop,nop]:df,id+?,flow?,ecn?:*
sig    = *:64:0:*:fit(65536/*),0..7:mss,sok,ts,(?174,nop,nop,ws|?174,nop,ws,?30):df,id+?,flow?,ecn?:*
sig    = *:64:0:*:fit(65536/*),0:mss,(sok,ts|nop,nop,sok|nop,nop,ts|),[?30|?34,nop,nop]:df,id+?,flow?,ecn?:*

; Larger scales: a kernel of 2 to 4 GB since 6.16, or any whose buffers were raised.
label  = s:unix:Linux:4.20 and newer (or tuned)
source = kernel source: tcp_select_initial_window; own captures, kernels 4.4 to 7.3
date   = 2026-11
uptime = random
sig    = *:64:0:*:fit(65536/*),{8,9,11..14}:mss,(sok,ts,nop,ws|nop,nop,sok,nop,ws|nop,nop,ts,nop,ws|nop,ws),[?30|?34,nop,nop]:df,id+?,flow?,ecn?:*
sig    = *:64:0:*:fit(65536/*),{8,9,11..14}:mss,sok,ts,(?174,nop,nop,ws|?174,nop,ws,?30):df,id+?,flow?,ecn?:*

; 32 KiB.
label  = s:unix:Linux:6.6 to 6.9 (or tuned)
source = kernel source: default scaling ratio of 6.6; own captures of tuned kernels
date   = 2026-11
uptime = random
sig    = *:64:0:*:fit(33280|32768/*),*:mss,(sok,ts,nop,ws|nop,nop,sok,nop,ws|nop,nop,ts,nop,ws|nop,ws),[?30|?34,nop,nop]:df,id+?,flow?,ecn?:*
sig    = *:64:0:*:fit(33280|32768/*),0:mss,(sok,ts|nop,nop,sok|nop,nop,ts|),[?30|?34,nop,nop]:df,id+?,flow?,ecn?:*

; The guides' 87380 bytes, 16384 bytes, and SO_RCVBUF of 16 KiB.
label  = s:unix:Linux:4.20 and newer (tuned)
source = kernel source: tcp_openreq_init_rwin; own captures, kernels 5.10 to 7.3
date   = 2026-11
uptime = random
sig    = *:64:0:*:fit(43690/*),*:mss,(sok,ts,nop,ws|nop,nop,sok,nop,ws|nop,nop,ts,nop,ws|nop,ws),[?30|?34,nop,nop]:df,id+?,flow?,ecn?:*

; tcp_rmem of 16384 bytes, and SO_RCVBUF of 16 KiB: any kernel.
label  = s:unix:Linux:(tuned)
source = kernel source: tcp_select_initial_window; own captures, kernels 4.4 to 7.3
date   = 2026-11
uptime = random
sig    = *:64:0:*:fit(8192/*),5..14:mss,(sok,ts,nop,ws|nop,nop,sok,nop,ws),[?30|?34,nop,nop]:df,id+?,flow?,ecn?:*
sig    = *:64:0:*:fit(16384/*),0:mss,(sok,ts,nop,ws|nop,nop,sok,nop,ws),[?30|?34,nop,nop]:df,id+?,flow?,ecn?:*

; 20 segments.
label  = s:unix:Linux:3.10 to 4.19
or     = gVisor:
source = kernel source: tcp_select_initial_window; not seen
date   = 2026-11
uptime = random
sig    = *:64:0:*:seg(20/*),*:mss,(sok,ts,nop,ws|nop,nop,sok,nop,ws|nop,nop,ts,nop,ws|nop,ws),[?30|?34,nop,nop]:df,id+?,flow?,ecn?:*
sig    = *:64:0:*:seg(20/*),0:mss,(sok,ts|nop,nop,sok):df,id+?,flow?,ecn?:*
sig    = *:64:0:*:seg(20/*),0:mss:df,id+?,flow?,ecn?:0

; 10 segments.
label  = s:unix:Linux:2.6.32 to 3.10
source = kernel source: tcp_select_initial_window; not seen
date   = 2026-11
uptime = boot
sig    = *:64:0:*:seg(10/*),0..7:mss,(sok,ts,nop,ws|nop,nop,sok,nop,ws):df,id+?,flow?,ecn?:*

; 4 segments.
label  = s:unix:Linux:2.4 to 2.6
source = kernel source: tcp_select_initial_window; not seen
date   = 2026-11
uptime = boot
sig    = *:64:0:*:seg(4/*),0..7:mss,(sok,ts,nop,ws|nop,nop,sok,nop,ws):df,id+?,flow?,ecn?:*

; As for the SYNs.
label  = s:unix:Linux or Solaris:
or     = Solaris:(illumos)
source = illumos rule tcp_xmit_mp and tcp_recv_buf, not seen; own captures, kernel 6.8
date   = 2026-11
uptime = random
sig    = *:64:0:*:65535,1:mss,(sok,ts,nop,ws|nop,nop,sok,nop,ws):df,id+?,flow?,ecn?:0

; The largest window: large buffers.
label  = s:unix:Linux or Android:
source = kernel source: tcp_openreq_init_rwin; own captures, kernels 5.10 to 7.3
date   = 2026-11
uptime = random
sig    = *:64:0:*:65535,*:mss,(sok,ts,nop,ws|nop,nop,sok,nop,ws),[?30|?34,nop,nop]:df,id+?,flow?,ecn?:*

; Any window on these orders.
label  = g:unix:Linux:
source = kernel source: tcp_synack_options; own captures, kernels 5.10 to 7.3
date   = 2026-11
uptime = random
sig    = *:64|255:0:*:*,*:mss,(sok~,ts~,nop,ws|nop,nop,sok,nop,ws|nop,nop,ts,nop,ws|sok,ts),[?30|?34,nop,nop]:df?,id+?,id-?,flow?,ecn?:*
sig    = *:64|255:0:*:*,*:mss,sok,ts,(?174,nop,nop,ws|?174,nop,ws,?30):df?,id+?,id-?,flow?,ecn?:*
