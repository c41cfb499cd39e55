package ask

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/mxprint/mxprint/note"
)

// ParseQuery reads what a person types about a client: one end of a
// connection, or both, as ADDRESS, ADDRESS:PORT or ADDRESS PORT. The server is
// only of use with the client's port. A hint says how a doubtful word was read.
func ParseQuery(words []string) (q note.Query, hint string, err error) {
	ends, err := parseEnds(words)
	if err != nil {
		return q, "", err
	}
	switch len(ends) {
	case 0:
		return q, "", errors.New("name one client; mxprint query -h shows examples")
	case 1:
		q.Client = ends[0]
		return q, doubtfulPort(words), nil
	case 2:
		q.Client, q.Server = ends[0], ends[1]
	default:
		return q, "", fmt.Errorf("%q is one word too many; mxprint query -h shows examples", words[len(words)-1])
	}
	if q.Client.Port() == 0 || q.Server.Port() == 0 {
		return q, "", errors.New("a connection is asked about by the ports of both ends")
	}
	return q, doubtfulPort(words), nil
}

// parseEnds reads ADDRESS, ADDRESS:PORT and ADDRESS PORT, any number of them.
func parseEnds(words []string) (ends []netip.AddrPort, err error) {
	for i := 0; i < len(words); i++ {
		bare := strings.TrimSuffix(strings.TrimPrefix(words[i], "["), "]")
		addr, err := netip.ParseAddr(bare)
		if err == nil && addr.Zone() == "" && (bare == words[i] || words[i] == "["+bare+"]") {
			port := 0
			if i+1 < len(words) && !strings.ContainsAny(words[i+1], ".:[") {
				i++
				if port, err = strconv.Atoi(words[i]); err != nil || port < 1 || port > 65535 {
					return nil, fmt.Errorf("%q is not a port", words[i])
				}
			}
			ends = append(ends, netip.AddrPortFrom(addr.Unmap(), uint16(port)))
			continue
		}
		ap, err := netip.ParseAddrPort(words[i])
		if err != nil || ap.Addr().Zone() != "" || ap.Port() == 0 {
			return nil, fmt.Errorf("%q is neither an IP address nor ADDRESS:PORT", words[i])
		}
		ends = append(ends, netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()))
	}
	return ends, nil
}

// doubtfulPort is a hint where an IPv6 address looks like one with a port.
func doubtfulPort(words []string) string {
	for _, word := range words {
		i := strings.LastIndexByte(word, ':')
		if i < 0 || strings.Count(word, ":") < 3 {
			continue
		}
		_, err := netip.ParseAddr(word)
		_, err2 := netip.ParseAddr(word[:i])
		_, err3 := strconv.ParseUint(word[i+1:], 10, 16)
		if err == nil && err2 == nil && err3 == nil {
			return fmt.Sprintf("asking about the address %s; for port %s of %s write [%s]:%s", word, word[i+1:], word[:i], word[:i], word[i+1:])
		}
	}
	return ""
}
