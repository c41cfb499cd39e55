package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/mxprint/mxprint/internal/signature"
)

// version is the release, in one place: scripts/packages sets it to the version
// of the package where that is another. make sets commit, which a plain go build
// takes from what Go has recorded of the checkout.
var (
	version = "0.1.0"
	commit  string
)

var versionCommand = command{
	name:    "version",
	summary: "print the version, and what the built-in database holds",
	usage: `Usage: mxprint version

Prints the version of mxprint and of Go, and the number of built-in signatures.
`,
	run: func(_ context.Context, args []string, std *stdio) error {
		if len(args) > 0 {
			return usagef("version takes no arguments: %q", args)
		}
		fmt.Fprintf(std.out, "mxprint %s%s, %s %s/%s, %d built-in signatures\n", version, revision(),
			runtime.Version(), runtime.GOOS, runtime.GOARCH, signature.Builtin().Count())
		return nil
	},
}

// revision is the commit in parentheses, after a blank; empty where it is not known.
func revision() string {
	if commit != "" {
		return " (" + commit + ")"
	}
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range b.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return " (" + s.Value[:12] + ")"
		}
	}
	return ""
}
