; Programs that make SYNs of their own: scanners and p0f's probe.
; They stand last, so that no loose match on one of them hides a system.

[tcp:request]

; TTL 255, ID 54321, no DF; by default the options of Windows.
label = s:!:zmap:
sys   = @unix,@win
source = zmap 4 rule packet.c; own captures of zmap 2.1.1, which sends no options
date  = 2026-11
sig   = *:255:0:1460:65535,8:mss,nop,ws,nop,nop,sok::0
sig   = *:255:0:1460:65535,7:mss,sok,ts,nop,ws::0
sig   = *:255:0:1460:65535,6:mss,nop,ws,nop,nop,ts,sok,eol+1::0
sig   = *:255:0:1460:65535,0:mss::0
sig   = *:255:0:0:65535,0:::0

label = s:!:masscan:
sys   = @unix,@win
source = masscan rule templ-pkt.c; own captures of masscan 1.3.2
date  = 2026-11
sig   = *:255:0:1460:1025,0:mss::0
sig   = *:255:0:1460:1024,0:mss::0
sig   = *:255:0:0:1024,0:::0

; Random TTL, one of four windows.
label = s:!:NMap:SYN scan
sys   = @unix,@win
source = own captures of nmap 7.93 -sS (1024); public observation to 2023
date  = 2026-11
sig   = *:64-:0:1460:1024,0:mss::0
sig   = *:64-:0:1460:2048,0:mss::0
sig   = *:64-:0:1460:3072,0:mss::0
sig   = *:64-:0:1460:4096,0:mss::0

; The six sequence probes and the ECN probe. The acknowledgment number is random and
; not zero; p0f sees that in one of two packets.
label = s:!:NMap:OS detection
sys   = @unix,@win
source = the NMap book, "TCP/IP fingerprinting methods"; own captures of nmap 7.93 -O
date  = 2026-11
sig   = *:64-:0:1460:1,10:ws,nop,mss,ts,sok::0
sig   = *:64-:0:1460:1,10:ws,nop,mss,ts,sok:ack+:0
sig   = *:64-:0:1400:63,0:mss,ws,sok,ts,eol+0::0
sig   = *:64-:0:1400:63,0:mss,ws,sok,ts,eol+0:ack+:0
sig   = *:64-:0:640:4,5:ts,nop,nop,ws,nop,mss::0
sig   = *:64-:0:640:4,5:ts,nop,nop,ws,nop,mss:ack+:0
sig   = *:64-:0:0:4,10:sok,ts,ws,eol+0::0
sig   = *:64-:0:0:4,10:sok,ts,ws,eol+0:ack+:0
sig   = *:64-:0:536:16,10:mss,sok,ts,ws,eol+0::0
sig   = *:64-:0:536:16,10:mss,sok,ts,ws,eol+0:ack+:0
sig   = *:64-:0:265:512,0:mss,sok,ts::0
sig   = *:64-:0:265:512,0:mss,sok,ts:ack+:0
sig   = *:64-:0:1460:3,10:ws,nop,mss,sok,nop,nop:ecn,uptr+:0
sig   = *:64-:0:265:31337,10:ws,nop,mss,ts,sok::0
sig   = *:64-:0:265:31337,10:ws,nop,mss,ts,sok:ack+:0

label = s:!:Scapy:
sys   = @unix,@win
source = own captures of scapy 2.5 (its defaults: TTL 64, ID 1, sequence number 0)
date  = 2026-11
sig   = *:64:0:0:8192,0::seq-:0

label = s:!:nping:
sys   = @unix,@win
source = own captures of nping 0.7.93
date  = 2026-11
sig   = *:64:0:0:1480,0:::0

; Window 1337 and MSS 1331.
label = s:unix:p0f:sendsyn utility
source = p0f v3 section 5.5
date  = 2026-11
uptime = random
sig   = *:192:0:1331:1337,0:mss,nop,eol+18::0
sig   = *:192:0:1331:1337,0:mss,ts,nop,eol+8::0
sig   = *:192:0:1331:1337,0:mss,sok,nop,eol+16::0
sig   = *:192:0:1331:1337,0:mss,sok,ts,nop,eol+6::0
sig   = *:192:0:1331:1337,5:mss,ws,nop,eol+15::0
sig   = *:192:0:1331:1337,5:mss,ws,ts,nop,eol+5::0
sig   = *:192:0:1331:1337,5:mss,ws,sok,nop,eol+13::0
sig   = *:192:0:1331:1337,5:mss,ws,sok,ts,nop,eol+3::0
