package difftest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Coverage counts what a set of logs contains, so that the generator can be
// held to p0f-v3.md §12.3. The zero value is not usable; make it with
// make(Coverage). It is not safe for concurrent use.
type Coverage map[string]int

// Add counts the lines of one log.
func (c Coverage) Add(log []string) {
	for _, l := range withoutTime(log) {
		fields := map[string]string{}
		for _, f := range strings.Split(l, "|") {
			k, v, _ := strings.Cut(f, "=")
			fields[k] = v
		}
		mod := fields["mod"]
		c["module "+mod]++
		for _, key := range []string{"os", "app", "link", "lang"} {
			if v, ok := fields[key]; ok {
				c["key "+mod+" "+key]++
				outcome := "known"
				if v == "???" {
					outcome = "unknown"
				}
				c["outcome "+mod+" "+outcome]++
			}
		}
		for _, r := range strings.Fields(fields["reason"]) {
			c["reason "+r]++
		}
		for _, p := range strings.Fields(fields["params"]) {
			if strings.HasPrefix(p, "tos:") {
				p = "tos"
			}
			c["params "+p]++
		}
		if raw := strings.Split(fields["raw_sig"], ":"); len(raw) == 8 {
			c["version "+raw[0]]++
			for _, q := range strings.Split(raw[6], ",") {
				if q != "" {
					c["quirk "+q]++
				}
			}
		}
	}
}

// MissingHTTP is Missing for a run of HTTP.
func (c Coverage) MissingHTTP(least int) []string {
	want := []string{"params none", "params dishonest", "params anonymous", "reason app_vs_os", "reason via", "reason srv_sig_lb",
		"reason ua_vs_os", "reason x_known", "module host change", "module ip sharing"}
	for _, m := range []string{"http request", "http response"} {
		want = append(want, "module "+m, "outcome "+m+" known", "outcome "+m+" unknown", "key "+m+" app")
	}
	return slices.DeleteFunc(want, func(k string) bool { return c[k] >= least })
}

// Missing returns what a run must contain of TCP and does not, at least least
// times each.
func (c Coverage) Missing(least int) []string {
	var want []string
	for _, m := range []string{"syn", "syn+ack", "mtu", "sendsyn probe", "sendsyn response"} {
		want = append(want, "module "+m, "outcome "+m+" known", "outcome "+m+" unknown")
	}
	for _, m := range []string{"uptime", "host change", "ip sharing"} {
		want = append(want, "module "+m)
	}
	for _, r := range []string{"app_vs_os", "os_diff", "sig_diff", "x_known", "tstamp", "ttl", "port", "mtu", "fuzzy"} {
		want = append(want, "reason "+r)
	}
	for _, p := range []string{"none", "generic", "fuzzy", "random_ttl", "excess_dist", "tos"} {
		want = append(want, "params "+p)
	}
	for _, q := range quirkNames {
		want = append(want, "quirk "+q)
	}
	want = append(want, "version 4", "version 6")
	return slices.DeleteFunc(want, func(k string) bool { return c[k] >= least })
}

// String lists the counts by name.
func (c Coverage) String() string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(c)) {
		fmt.Fprintf(&b, "%-34s %d\n", k, c[k])
	}
	return b.String()
}
