// Command make makes all parts that tests need and the cache lacks. Tests make
// them, too, when they first need one; here they are made before the clock of a
// test runs. What cannot be made is no error: the tests that need it say why
// they skip.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/mxprint/mxprint/internal/test/parts"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := func(format string, args ...any) { fmt.Fprintf(os.Stderr, "parts: "+format+"\n", args...) }
	if _, err := parts.Haraka(ctx, log); err != nil {
		log("%v", err)
	}
	if _, err := parts.ChDB(ctx, log); err != nil {
		log("%v", err)
	}
	if os.Geteuid() != 0 {
		log("not root: no Debian systems; the tests that need them skip")
		return
	}
	for _, name := range parts.Systems() {
		if _, err := parts.Debian(ctx, log, name); err != nil {
			log("%v", err)
		}
	}
}
