package daemon

import (
	"cmp"
	"fmt"
	"io"

	"github.com/mxprint/mxprint/capture"
)

// ListInterfaces prints the interfaces as p0f -L does (p0f-v3.md §10.1).
func ListInterfaces(out io.Writer) error {
	all, err := capture.Interfaces()
	if err != nil {
		return err
	}
	fmt.Fprint(out, "-- Available interfaces --\n")
	for i, it := range all {
		addr := "(none)"
		if it.Addr.IsValid() {
			addr = it.Addr.String()
		}
		fmt.Fprintf(out, "\n%3d: Name        : %s\n     Description : %s\n     IP address  : %s\n",
			i, it.Name, cmp.Or(it.Description, "-"), addr)
	}
	return nil
}
