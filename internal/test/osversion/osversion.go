// Package osversion compares what the flavor of a label says of versions ("4.20
// and newer") with the versions that a sender is known to have. The score
// command and the lab measure signatures with it; it is not for the answers of a
// sensor, as no version that it reads comes from a packet. All of it is safe
// for concurrent use.
package osversion

import (
	"slices"
	"strconv"
	"strings"
)

// Version is a version as numbers: "6.18.44" is {6, 18, 44}.
type Version []int

// windowsNames are the versions that Windows goes by, in the numbers of its
// kernel: servers share them with clients. "10" and "11" are distinguished by
// build numbers alone.
var windowsNames = map[string]Version{
	"2000": {5, 0}, "xp": {5, 1}, "2003": {5, 2}, "server 2003": {5, 2}, "vista": {6, 0}, "server 2008": {6, 0},
	"2008": {6, 0}, "7": {6, 1}, "server 2008 r2": {6, 1}, "2008 r2": {6, 1}, "8": {6, 2}, "server 2012": {6, 2},
	"2012": {6, 2}, "8.1": {6, 3}, "server 2012 r2": {6, 3}, "2012 r2": {6, 3}, "10": {10, 0}, "11": {10, 0},
	"server 2016": {10, 0}, "2016": {10, 0}, "server 2019": {10, 0}, "2019": {10, 0}, "server 2022": {10, 0},
	"2022": {10, 0}, "server 2025": {10, 0}, "2025": {10, 0},
}

// parseVersion reads one version; nil if absent. A part "x" ends it:
// "3.x" is {3}.
func parseVersion(family, s string) Version {
	s = strings.ToLower(strings.TrimSpace(s))
	if family == "Windows" {
		s = strings.TrimSpace(strings.TrimPrefix(s, "windows "))
		if v := windowsNames[s]; v != nil {
			return v
		}
		var ok bool
		if s, ok = strings.CutPrefix(s, "nt "); !ok {
			return nil
		}
	}
	var v Version
	for part := range strings.SplitSeq(s, ".") {
		if part == "x" && v != nil {
			break
		}
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || len(v) == 4 {
			return nil
		}
		v = append(v, n)
	}
	return v
}

// Read returns the versions that a label of known systems names, nil where it
// names none. "10/11" and "kernel 5.10 6.1 6.12" are several, each of which sends
// this SYN; "Windows 10 - 1803" and "Windows 7 SP1" are read up to the build and
// the service pack.
func Read(family, text string) []Version {
	for _, end := range []string{" - ", " SP", " build "} {
		text, _, _ = strings.Cut(text, end)
	}
	text = strings.TrimPrefix(text, "kernel ")
	var list []Version
	parts := strings.Split(text, "/")
	if family == "Linux" {
		parts = strings.Fields(strings.ReplaceAll(text, "/", " "))
	}
	for _, part := range parts {
		v := parseVersion(family, strings.TrimPrefix(strings.TrimSpace(part), family+" "))
		if v == nil {
			return nil
		}
		list = append(list, v)
	}
	return list
}

// compareVersions compares as many parts as both have, so that "10" is equal
// to "10.15.7".
func compareVersions(a, b Version) int {
	n := min(len(a), len(b))
	return slices.Compare(a[:n], b[:n])
}

// versionRange holds from low to high; nil is no bound.
type versionRange struct{ low, high Version }

func (r versionRange) has(v Version) bool {
	return (r.low == nil || compareVersions(v, r.low) >= 0) && (r.high == nil || compareVersions(v, r.high) <= 0)
}

// Claims reports whether a flavor allows for all of the versions. A flavor
// without a number, or with "(or tuned)" or the like behind it, claims nothing.
// A name in front of a version ("10.13 or iOS 11 and newer") makes that part count
// for this family alone; a part without one is for first, the first system
// that the label names. readable is false for a flavor that has digits and
// cannot be understood.
func Claims(flavor, first, family string, versions []Version) (right, readable bool) {
	if strings.Contains(flavor, "(or ") {
		return true, true
	}
	flavor, _, _ = strings.Cut(flavor, "(")
	if flavor = strings.TrimSpace(flavor); !strings.ContainsAny(flavor, "0123456789") && !(family == "Windows" && parseVersion(family, flavor) != nil) {
		return true, true
	}
	var ranges []versionRange
	claimed := false
	for _, part := range alternatives(flavor) {
		of := first
		if name, rest, ok := strings.Cut(part, " "); ok && KnownSystem(name) {
			of, part = name, rest
		}
		if !strings.EqualFold(of, family) {
			continue
		}
		r, ok := parseRange(family, part)
		if !ok {
			return true, false
		}
		claimed = true
		ranges = append(ranges, r)
	}
	for _, v := range versions {
		if claimed && !slices.ContainsFunc(ranges, func(r versionRange) bool { return r.has(v) }) {
			return false, true
		}
	}
	return true, true
}

// KnownSystem reports whether a word is the name of a system that versions are
// read for.
func KnownSystem(name string) bool {
	return slices.Contains([]string{"linux", "android", "chromeos", "windows", "macos", "ios", "tvos", "freebsd"}, strings.ToLower(name))
}

// alternatives splits "7 or 8", "7, 8", "7/8"; "or newer" stays with its version.
// "10.14 or iOS 14 and newer" is newer than either.
func alternatives(flavor string) []string {
	s := strings.NewReplacer(" or newer", " and newer", " or later", " and newer", " and later", " and newer",
		" or older", " and older", "/", ", ").Replace(flavor)
	var list []string
	for part := range strings.SplitSeq(s, ", ") {
		either := strings.Split(part, " or ")
		for i, one := range either {
			if strings.HasSuffix(part, " and newer") && i < len(either)-1 && !strings.Contains(one, " and ") && !strings.Contains(one, " to ") {
				one += " and newer"
			}
			list = append(list, one)
		}
	}
	return list
}

func parseRange(family, s string) (versionRange, bool) {
	s = strings.TrimSpace(s)
	if from, ok := strings.CutSuffix(s, " and newer"); ok {
		v := parseVersion(family, from)
		return versionRange{low: v}, v != nil
	}
	if to, ok := strings.CutSuffix(s, " and older"); ok {
		v := parseVersion(family, to)
		return versionRange{high: v}, v != nil
	}
	from, to, ok := strings.Cut(s, " to ")
	if !ok {
		if from, to, ok = strings.Cut(s, "-"); !ok {
			to = from
		}
	}
	r := versionRange{parseVersion(family, from), parseVersion(family, to)}
	return r, r.low != nil && r.high != nil
}
