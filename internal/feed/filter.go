package feed

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mxprint/mxprint/note"
)

// maxWord bounds a value of a filter, in bytes.
const maxWord = 200

// Filter is which connections a reader wants. The zero value takes all.
type Filter struct {
	Client  netip.Prefix // of the client's address
	Port    uint16       // of the client; 0: any
	System  string       // a part of the system's name and flavor, in any case
	Program string       // likewise of the program, of mail or of HTTP
	Finding string       // the ID of a finding
	State   string       // of the note, in words
	Since   time.Time
}

// FilterKeys are the words of a filter, in the order in which the documents have them.
var FilterKeys = []string{"client", "system", "program", "finding", "state", "since"}

// ParseFilter reads the parameters of a query, each of FilterKeys once at most.
// since is a time of RFC 3339 or a duration before now.
func ParseFilter(v url.Values, now time.Time) (*Filter, error) {
	f := &Filter{}
	for _, key := range FilterKeys {
		values := v[key]
		if len(values) == 0 || values[0] == "" {
			continue
		}
		if len(values) > 1 || len(values[0]) > maxWord {
			return nil, fmt.Errorf("%s: want one value of at most %d bytes", key, maxWord)
		}
		if err := f.set(key, values[0], now); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	return f, nil
}

var states = []string{note.Unavailable.String(), note.NotSeen.String(), note.Unknown.String(), note.Matched.String()}

func (f *Filter) set(key, value string, now time.Time) (err error) {
	switch key {
	case "client":
		f.Client, f.Port, err = parseClient(value)
	case "system":
		f.System = strings.ToLower(value)
	case "program":
		f.Program = strings.ToLower(value)
	case "finding":
		f.Finding = value
	case "state":
		if f.State = strings.ReplaceAll(value, "_", " "); !slices.Contains(states, f.State) {
			return fmt.Errorf("%q: want one of %s", value, strings.Join(states, ", "))
		}
	case "since":
		if ago, bad := time.ParseDuration(value); bad == nil {
			f.Since = now.Add(-ago.Abs())
		} else if f.Since, err = time.Parse(time.RFC3339, value); err != nil {
			return fmt.Errorf("%q: want a time such as 2026-11-28T10:00:00Z, or a duration such as 10m", value)
		}
	}
	return err
}

func parseClient(value string) (netip.Prefix, uint16, error) {
	if at, err := netip.ParseAddrPort(value); err == nil {
		addr := at.Addr().Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen()), at.Port(), nil
	}
	if p, err := netip.ParsePrefix(value); err == nil {
		return p.Masked(), 0, nil
	}
	addr, err := netip.ParseAddr(strings.Trim(value, "[]"))
	if err != nil {
		return netip.Prefix{}, 0, fmt.Errorf("%q: want an address, ADDRESS:PORT or a network such as 192.0.2.0/24", value)
	}
	addr = addr.Unmap().WithZone("")
	return netip.PrefixFrom(addr, addr.BitLen()), 0, nil
}

// Words turns the words of a command line into the parameters of a query:
// "KEY=VALUE", or an address or network alone.
func Words(args []string) (url.Values, error) {
	v := url.Values{}
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		if !ok {
			key, value = "client", arg
		}
		if !slices.Contains(FilterKeys, key) {
			return nil, fmt.Errorf("%q: want %s=…, or an address", arg, strings.Join(FilterKeys, "=…, "))
		}
		v.Add(key, value)
	}
	_, err := ParseFilter(v, time.Now())
	return v, err
}

// Takes reports whether the filter takes a connection.
func (f *Filter) Takes(c *Connection) bool {
	n := &c.Note
	switch {
	case f.Client.IsValid() && !f.Client.Contains(c.Client.Addr()),
		f.Port != 0 && f.Port != c.Client.Port(),
		f.State != "" && f.State != n.State.String(),
		c.Changed.Before(f.Since),
		f.System != "" && !strings.Contains(strings.ToLower(n.OSName+" "+n.OSFlavor), f.System),
		f.Program != "" && !strings.Contains(strings.ToLower(c.programs()), f.Program),
		f.Finding != "" && !slices.Contains(c.Findings(), f.Finding):
		return false
	}
	return true
}
