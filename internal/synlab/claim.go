package synlab

import (
	"fmt"
	"strconv"
	"strings"
)

// Claims reports whether the name of a Linux allows for a kernel of that
// version, such as "6.18.44". A name without versions allows for every one, and
// so does one that says "(or tuned)" after them.
func Claims(name, kernel string) (bool, error) {
	flavor, ok := strings.CutPrefix(name, "Linux")
	if !ok {
		return false, nil
	}
	if strings.Contains(flavor, "(or ") || strings.HasPrefix(flavor, " or ") {
		return true, nil
	}
	flavor, _, _ = strings.Cut(flavor, "(")
	flavor = strings.TrimSpace(flavor)
	if flavor == "" {
		return true, nil
	}
	is, err := version(kernel)
	if err != nil {
		return false, err
	}
	from, newer := strings.CutSuffix(flavor, " and newer")
	to := ""
	if !newer {
		if from, to, ok = strings.Cut(flavor, " to "); !ok {
			return false, fmt.Errorf("synlab: flavor %q is no range of versions", flavor)
		}
	}
	low, err := version(from)
	if err != nil || is < low || newer {
		return err == nil && is >= low, err
	}
	high, err := version(to)
	return err == nil && is <= high, err
}

// version makes a number that orders versions out of "6", "6.18" or "6.18.44";
// the third part does not count.
func version(s string) (int, error) {
	major, rest, _ := strings.Cut(s, ".")
	minor, _, _ := strings.Cut(rest, ".")
	if minor == "" {
		minor = "0"
	}
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(minor)
	if errA != nil || errB != nil || a < 0 || b < 0 || b > 999 {
		return 0, fmt.Errorf("synlab: %q is no kernel version", s)
	}
	return a*1000 + b, nil
}
