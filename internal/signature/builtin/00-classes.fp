; The classes of operating systems, and of programs that send mail, that labels may name.
;
; This is the database that comes with the program, in the language of p0f 3
; (p0f v3 section 2). The files of this directory are read in the order of their
; names, as if they were one. The month in a "source:" line is when it was written
; down, the years are those of the observations.
; A label claims no more than a SYN can show: where two systems send the same
; packet, the label names both, or none.
;
; Below a label "uptime = boot" says that the timestamps count from the start of the
; system, "uptime = random" that they do not, or that the signature also fits versions
; whose do not, or that nobody here knows. Random are:
;   Linux since 4.10 (its documentation of tcp_timestamps; own captures of 5.10 to 7.3);
;   XNU (the clock starts at random with the system, in sources since 2005; current ones
;     have net.inet.tcp.randomize_timestamps besides);
;   FreeBSD since 12 (tcp_new_ts_offset; net.inet.tcp.ts_offset_per_conn);
;   OpenBSD (ts_modulate of each connection); NetBSD (ts_timebase: each connection's
;     clock begins at 1); every proxy, whose clock is not the client's.
; Not known: Windows with timestamps on, VMware ESXi, BIG-IP.

classes = win,unix,other,mta,mua,library,tool,monitor
