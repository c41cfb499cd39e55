// The recorder agrees to what old libraries offer, as Mono's: TLS 1.0, RSA key
// exchange and triple DES.

//go:debug tls10server=1
//go:debug tlsrsakex=1
//go:debug tls3des=1

// Dialectlab records how real programs send mail, for scripts/lab-dialects:
//
//	dialectlab serve LOG CERTIFICATE KEY
//	dialectlab clean CAPTURE LOG LABEL DIRECTORY
//	dialectlab messages DIRECTORY
//	dialectlab dns ADDRESS
//	dialectlab hellos DIRECTORY
//	dialectlab rules DIRECTORY
//	dialectlab rows DIRECTORY
//
// The first is an SMTP server that behaves in many ways, each at an address of
// its own. The second makes of a capture and the server's log what is kept: one
// small capture a program, in which messages, passwords and the bodies of TLS
// records are zeros of the same length, and a line of labels a connection. It
// is for developers alone. rules prints signatures of the recorded programs, and
// rows their dialects for internal/test/score.
package main

import (
	"fmt"
	"os"
)

func main() {
	var err error
	switch a := os.Args; {
	case len(a) == 5 && a[1] == "serve":
		err = serve(a[2], a[3], a[4])
	case len(a) == 6 && a[1] == "clean":
		err = clean(a[2], a[3], a[4], a[5])
	case len(a) == 3 && a[1] == "messages":
		err = messages(a[2])
	case len(a) == 3 && a[1] == "dns":
		err = resolve(a[2])
	case len(a) == 3 && a[1] == "rules":
		err = rules(a[2], os.Stdout)
	case len(a) == 3 && a[1] == "rows":
		err = rows(a[2], os.Stdout)
	case len(a) == 3 && a[1] == "hellos":
		err = hellos(a[2], os.Stdout)
	default:
		err = fmt.Errorf("usage: dialectlab serve LOG CERTIFICATE KEY | clean CAPTURE LOG LABEL DIRECTORY | messages DIRECTORY | dns ADDRESS | rules DIRECTORY | rows DIRECTORY")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "dialectlab:", err)
		os.Exit(1)
	}
}
