package valkeylab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/parts"
)

// serverEnv says which server the tests start: "valkey" is that of Debian 13,
// otherwise it is the redis-server of this system.
const serverEnv = "MXPRINT_FLEET_SERVER"

// programs are how the server and its command line begin. The test skips where they
// are not to be had.
func programs(t testing.TB) (server, cli []string) {
	t.Helper()
	switch is := os.Getenv(serverEnv); is {
	case "", "redis":
		return []string{lab.NeedProgram(t, "redis-server")}, []string{lab.NeedProgram(t, "redis-cli")}
	case "valkey":
	default:
		t.Fatalf("%s=%s: want redis or valkey", serverEnv, is)
	}
	lab.NeedRoot(t)
	lab.NeedProgram(t, "debootstrap")
	root, err := parts.Debian(context.Background(), t.Logf, "valkey")
	if err != nil {
		lab.Skip(t, "needs a Debian system from the network: "+err.Error())
	}
	run, err := inside(root)
	if err != nil {
		t.Fatal(err)
	}
	return run("valkey-server"), run("valkey-cli")
}

// inside starts programs of another Debian system with its loader and libraries,
// and all else of this one: no chroot is needed, and the process is the program.
func inside(root string) (func(program string) []string, error) {
	loader, _ := filepath.Glob(filepath.Join(root, "usr/lib*/ld-linux-*.so.*"))
	libraries, _ := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu"))
	if len(loader) == 0 || len(libraries) == 0 {
		return nil, fmt.Errorf("valkeylab: %s has no loader or no libraries", root)
	}
	return func(program string) []string {
		return []string{loader[0], "--library-path", strings.Join(libraries, ":"), filepath.Join(root, "usr/bin", program)}
	}, nil
}
