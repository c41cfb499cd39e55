package web

import (
	"fmt"
	"strings"

	"github.com/mxprint/mxprint/packet"
)

// fieldNames are the parts of a raw signature (p0f-v3.md §5.1).
var fieldNames = []string{"IP version", "TTL", "IP options", "MSS", "window", "TCP options", "quirks", "data"}

// quirkWords say what the quirks mean (p0f-v3.md §5.4).
var quirkWords = map[string]string{
	"df": "do not fragment", "id+": "do not fragment, and yet an IP ID", "id-": "may be fragmented, and no IP ID",
	"ecn": "it can do ECN", "0+": "a reserved bit is set", "flow": "an IPv6 flow label",
	"seq-": "sequence number 0", "ack+": "an ACK number without ACK", "ack-": "ACK with number 0",
	"uptr+": "an urgent pointer without URG", "urgf+": "URG is set", "pushf+": "PSH is set",
	"ts1-": "own timestamp 0", "ts2+": "a peer timestamp in a SYN", "opt+": "data after the end of the options",
	"exws": "a window scale above 14", "bad": "malformed options",
}

// optionWords say what the letters of the TCP options mean.
var optionWords = map[string]string{
	"mss": "maximum segment size", "nop": "padding", "ws": "window scale", "sok": "selective ACKs", "sack": "a selective ACK", "ts": "timestamps",
}

// fields are the parts of a raw signature in words.
func fields(raw string, s *packet.Segment) []Field {
	parts := strings.Split(raw, ":")
	if len(parts) != len(fieldNames) {
		return []Field{}
	}
	words := []string{
		"IPv" + parts[0], ttlWords(parts[1]), "bytes of IP options", "bytes of data in a segment at most",
		fmt.Sprintf("receive window %d, then its scale", s.Window), each(parts[5], optionWords), each(parts[6], quirkWords), "the SYN carries no data",
	}
	if parts[7] != "0" {
		words[7] = "the SYN carries data"
	}
	list := make([]Field, len(parts))
	for i, part := range parts {
		list[i] = Field{fieldNames[i], part, words[i]}
	}
	return list
}

func ttlWords(text string) string {
	ttl, hops, ok := strings.Cut(text, "+")
	if !ok || hops == "?" {
		return "the TTL on arrival"
	}
	return "arrived with " + ttl + " after about " + hops + " hops"
}

// each explains the words of a list that have an explanation.
func each(text string, words map[string]string) string {
	var list []string
	for _, word := range strings.Split(text, ",") {
		if w := words[word]; w != "" {
			list = append(list, word+": "+w)
		}
	}
	return strings.Join(list, "; ")
}
