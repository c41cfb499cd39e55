package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/mxprint/mxprint/internal/signature"
)

// version is the release; builds from a checkout add the revision.
const version = "0.1.0"

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

func revision() string {
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
