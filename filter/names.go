package filter

import "strings"

// protocol is a word that names a protocol, and what the word means.
type protocol struct {
	word   string
	layer  layer
	number uint32 // IP protocol number, or EtherType for layerNetwork
	v4, v6 bool   // in which of the two the IP protocol is looked for
}

type layer uint8

const (
	layerAny layer = iota // no protocol was given
	layerLink
	layerNetwork
	layerTransport
)

const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherRARP = 0x8035
	etherIPv6 = 0x86dd

	ipTCP      = 6
	ipUDP      = 17
	ipFragment = 44
	ipICMP6    = 58
	ipSCTP     = 132
)

var protocols = map[string]protocol{
	"ether": {word: "ether", layer: layerLink},
	"link":  {word: "link", layer: layerLink},
	"ppp":   {word: "ppp", layer: layerLink},
	"wlan":  {word: "wlan", layer: layerLink},

	"ip":   {word: "ip", layer: layerNetwork, number: etherIPv4},
	"ip6":  {word: "ip6", layer: layerNetwork, number: etherIPv6},
	"arp":  {word: "arp", layer: layerNetwork, number: etherARP},
	"rarp": {word: "rarp", layer: layerNetwork, number: etherRARP},

	"tcp":   {word: "tcp", layer: layerTransport, number: ipTCP, v4: true, v6: true},
	"udp":   {word: "udp", layer: layerTransport, number: ipUDP, v4: true, v6: true},
	"sctp":  {word: "sctp", layer: layerTransport, number: ipSCTP, v4: true, v6: true},
	"pim":   {word: "pim", layer: layerTransport, number: 103, v4: true, v6: true},
	"ah":    {word: "ah", layer: layerTransport, number: 51, v4: true, v6: true},
	"esp":   {word: "esp", layer: layerTransport, number: 50, v4: true, v6: true},
	"icmp":  {word: "icmp", layer: layerTransport, number: 1, v4: true},
	"igmp":  {word: "igmp", layer: layerTransport, number: 2, v4: true},
	"vrrp":  {word: "vrrp", layer: layerTransport, number: 112, v4: true},
	"icmp6": {word: "icmp6", layer: layerTransport, number: ipICMP6, v6: true},
}

// keywords are the reserved words, protocols included.
var keywords = func() map[string]bool {
	m := wordSet(`and or not src dst host net mask port portrange proto less greater len length vlan
		inbound outbound broadcast multicast ifindex`)
	for w := range protocols {
		m[w] = true
	}
	return m
}()

// unsupported are the other reserved words of libpcap.
var unsupported = wordSet(`
	fddi tr slip igrp carp radio atalk aarp decnet lat sca moprc mopdl iso
	esis es-is isis is-is l1 l2 iih lsp snp csnp psnp clnp stp ipx netbeui
	protochain gateway type subtype direction dir address1 addr1 address2
	addr2 address3 addr3 address4 addr4 ra ta byte mpls pppoed pppoes geneve lane llc metac bcc
	oam oamf4 oamf4ec oamf4sc sc ilmic vpi vci connectmsg metaconnect on
	ifname rset ruleset rnr rulenum srnr subrulenum reason action fisu lssu
	lsu msu hfisu hlssu hmsu sio opc dpc sls hsio hopc hdpc hsls`)

func wordSet(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

// supported is what error messages offer.
const supported = "and, or, not, parentheses, src, dst, host, net, port, portrange, proto, " +
	"ip, ip6, arp, rarp, tcp, udp, sctp, icmp, icmp6, igmp, pim, ah, esp, vrrp, vlan, ether, inbound, outbound, " +
	"broadcast, multicast, ifindex, less, greater, len, " +
	"and comparisons such as tcp[13] & 2 != 0"

// protocolNumbers are the names that may follow "proto".
var protocolNumbers = map[string]uint32{
	"icmp": 1, "igmp": 2, "tcp": ipTCP, "udp": ipUDP, "gre": 47, "esp": 50,
	"ah": 51, "ipv6-icmp": ipICMP6, "pim": 103, "vrrp": 112, "sctp": ipSCTP,
}

// constants are the names of offsets and values.
var constants = map[string]uint32{
	"tcpflags": 13, "tcp-fin": 0x01, "tcp-syn": 0x02, "tcp-rst": 0x04, "tcp-push": 0x08,
	"tcp-ack": 0x10, "tcp-urg": 0x20, "tcp-ece": 0x40, "tcp-cwr": 0x80,

	"icmptype": 0, "icmpcode": 1,
	"icmp-echoreply": 0, "icmp-unreach": 3, "icmp-sourcequench": 4, "icmp-redirect": 5,
	"icmp-echo": 8, "icmp-routeradvert": 9, "icmp-routersolicit": 10, "icmp-timxceed": 11,
	"icmp-paramprob": 12, "icmp-tstamp": 13, "icmp-tstampreply": 14, "icmp-ireq": 15,
	"icmp-ireqreply": 16, "icmp-maskreq": 17, "icmp-maskreply": 18,

	"icmp6type": 0, "icmp6code": 1,
	"icmp6-destinationunreach": 1, "icmp6-packettoobig": 2, "icmp6-timeexceeded": 3,
	"icmp6-parameterproblem": 4, "icmp6-echo": 128, "icmp6-echoreply": 129,
	"icmp6-routersolicit": 133, "icmp6-routeradvert": 134, "icmp6-neighborsolicit": 135,
	"icmp6-neighboradvert": 136, "icmp6-redirect": 137,
}

// service is a port known by name. Where a name belongs to one transport
// protocol alone, "port NAME" looks for that protocol alone.
type service struct {
	port  uint32
	proto uint32 // IP protocol number, 0 for several
}

// services has the names of the IANA registry and of Debian's /etc/services
// that are likely in a filter on a mail server.
var services = map[string]service{
	"smtp": {25, ipTCP}, "mail": {25, ipTCP},
	"submission":  {587, ipTCP},
	"submissions": {465, ipTCP}, "smtps": {465, ipTCP}, "ssmtp": {465, ipTCP}, "urd": {465, ipTCP},
	"pop3": {110, ipTCP}, "pop-3": {110, ipTCP}, "pop3s": {995, ipTCP},
	"imap": {143, ipTCP}, "imap2": {143, ipTCP}, "imaps": {993, ipTCP},
	"sieve": {4190, ipTCP}, "qmtp": {209, ipTCP}, "spamd": {783, ipTCP},
	"http": {80, ipTCP}, "www": {80, ipTCP}, "https": {443, 0},
	"http-alt": {8080, ipTCP}, "webcache": {8080, ipTCP},
	"ftp-data": {20, ipTCP}, "ftp": {21, ipTCP}, "ssh": {22, ipTCP}, "telnet": {23, ipTCP},
	"time": {37, 0}, "whois": {43, ipTCP}, "nicname": {43, ipTCP},
	"domain": {53, 0}, "domain-s": {853, 0}, "mdns": {5353, ipUDP},
	"bootps": {67, ipUDP}, "bootpc": {68, ipUDP}, "tftp": {69, ipUDP},
	"finger": {79, ipTCP}, "kerberos": {88, 0}, "sunrpc": {111, 0},
	"auth": {113, ipTCP}, "ident": {113, ipTCP}, "nntp": {119, ipTCP}, "ntp": {123, ipUDP},
	"netbios-ssn": {139, ipTCP}, "microsoft-ds": {445, ipTCP},
	"snmp": {161, 0}, "snmp-trap": {162, 0}, "snmptrap": {162, 0},
	"bgp": {179, ipTCP}, "ldap": {389, 0}, "ldaps": {636, 0},
	"rsync": {873, ipTCP}, "nfs": {2049, 0}, "radius": {1812, 0},
	"mysql": {3306, ipTCP}, "postgresql": {5432, ipTCP}, "redis": {6379, ipTCP},
}
