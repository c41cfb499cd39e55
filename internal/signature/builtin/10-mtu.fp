; Link types, by the largest packet that the sender can take (MSS + 40 for IPv4,
; MSS + 60 for IPv6). A name says what most often has this size; it is no proof.
; source: the tunnel overheads of the protocols (RFC 894, 2516, 2003, 2784, 7348,
; 6333, 8200, 8926 and the WireGuard paper), providers' documentation for clouds; 2026-11
; A loopback of 65536 bytes is beyond the language; IPv4 shows 65535 on it.

[mtu]

label = Ethernet
sig   = 1500

label = DSL or PPPoE
sig   = 1492

label = PPPoE in a tunnel
sig   = 1472

label = IPIP or 6in4
sig   = 1480

label = GRE
sig   = 1476

label = Google Cloud or VPN
sig   = 1460

label = DS-Lite or L2TP
sig   = 1454
sig   = 1452

label = GRE over IPv6
sig   = 1456

label = VXLAN
sig   = 1450

label = Geneve
sig   = 1442

label = VXLAN over IPv6
sig   = 1430

label = AWS VPN
sig   = 1446

label = VXLAN on jumbo Ethernet
sig   = 8950

label = mobile or WireGuard
sig   = 1440

label = WireGuard
sig   = 1420
sig   = 1412

label = IPsec or VPN
sig   = 1400
sig   = 1380
sig   = 1300

label = OpenVPN
sig   = 1397
sig   = 1409
sig   = 1408
sig   = 1407
sig   = 1406
sig   = 1405
sig   = 1404
sig   = 1401
sig   = 1399
sig   = 1398

; OpenVPN lowers the MSS so that its own packets fit: to 1450 bytes of payload up to 2.5
; and over TCP, to 1492 bytes in all over UDP since 2.6. What is left depends on the cipher
; and its authentication, and is one less with compression framing. AES-GCM over UDP since
; 2.6 leaves 1440, which many others have too.
; source: own measurements in two network namespaces, OpenVPN 2.6.14 with its default and
; with mssfix 1450, UDP and TCP, with and without comp-lzo; 2026-11
label = OpenVPN (AES-GCM)
sig   = 1426
sig   = 1425
sig   = 1424
sig   = 1423
sig   = 1439

label = OpenVPN (AES-CBC SHA1)
sig   = 1419
sig   = 1418

label = OpenVPN (AES-CBC SHA1/SHA256)
sig   = 1403
sig   = 1402

label = OpenVPN (AES-CBC SHA256)
sig   = 1387
sig   = 1386

label = OpenVPN (AES-CBC SHA512)
sig   = 1371
sig   = 1370
sig   = 1355
sig   = 1354

label = OpenVPN (BF-CBC SHA1)
sig   = 1427
sig   = 1411
sig   = 1410

label = IPv6 minimum or Tailscale
sig   = 1280

label = jumbo Ethernet
sig   = 9000

label = AWS jumbo Ethernet
sig   = 9001

label = Google Cloud jumbo
sig   = 8896

label = InfiniBand
sig   = 2044
sig   = 65520

; 3924 was Linux before 2.4
label = loopback
sig   = 65535
sig   = 3924
sig   = 16436
sig   = 16384

label = IPv4 minimum
sig   = 576

; Google's mail servers and other machines of its own announce an MSS of 1430 over IPv4.
; source: public captures of connections with 74.125.0.0/16, 142.250.0.0/15, 173.194.0.0/16
; and 216.58.0.0/16, to 2025; 2026-11
label = Google
sig   = 1470

; What is rare today. source: arithmetic, and the documentation of each; 2026-11
; 1280 for IPv6 less an IPv6 header around it (gif(4))
label = IPv6 tunnel in an IPv6 tunnel
sig   = 1240

; a customary setting of PPTP servers (pptpd's examples)
label = PPTP
sig   = 1490

; 1500 less a tag of 4 bytes
label = Ethernet with a VLAN tag
sig   = 1496

; an MSS of 512 (RFC 1122's rule of 536 less 24), as SLIP and old hosts used
label = SLIP
sig   = 552

; the packet length of AX.25
label = AX.25 packet radio
sig   = 256

; source: the name is from the documentation of p0f 3 and was not checked; 2026-11
label = Ericsson modem
sig   = 1656
