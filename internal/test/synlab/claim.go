package synlab

import (
	"fmt"
	"strings"

	"github.com/mxprint/mxprint/internal/test/osversion"
)

// Claims reports whether the name of a Linux, with its flavor, allows for a
// kernel of that version, such as "6.18.44". A name without versions allows for
// every one, and so does one that says "(or tuned)" after them.
func Claims(name, kernel string) (bool, error) {
	flavor, ok := strings.CutPrefix(name, "Linux")
	if !ok {
		return false, nil
	}
	if strings.HasPrefix(flavor, " or ") { // "Linux or Android" has no flavor
		flavor = ""
	}
	versions := osversion.Read("Linux", kernel)
	if versions == nil {
		return false, fmt.Errorf("synlab: %q is no kernel version", kernel)
	}
	right, readable := osversion.Claims(flavor, "linux", "Linux", versions)
	if !readable {
		return false, fmt.Errorf("synlab: flavor %q is no range of versions", flavor)
	}
	return right, nil
}
