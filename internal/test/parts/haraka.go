package parts

import (
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// nodeMin is the oldest major version of Node.js that Haraka 3.3 runs on.
const nodeMin = 20

//go:embed haraka/package.json haraka/package-lock.json haraka/.npmrc
var harakaFiles embed.FS

// Haraka returns the folder whose node_modules have Haraka and its plugins, at
// the versions of haraka/package-lock.json. It needs npm, and no root.
func Haraka(ctx context.Context, log func(format string, args ...any)) (string, error) {
	var recipe strings.Builder
	files := map[string][]byte{}
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc"} {
		text, err := harakaFiles.ReadFile("haraka/" + name)
		if err != nil {
			return "", err
		}
		files[name] = text
		fmt.Fprintf(&recipe, "%s\n%s\n", name, text)
	}
	return cached(ctx, log, "haraka", recipe.String(), func(dir string) error {
		if v := nodeVersion(ctx); v < nodeMin {
			return fmt.Errorf("needs Node.js %d or newer and npm; found %d", nodeMin, v)
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
				return err
			}
		}
		return retry(ctx, log, func() error {
			// No package of the lock file has an install script that is needed.
			cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--loglevel=error")
			cmd.Dir, cmd.WaitDelay = dir, time.Second
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("npm ci: %w: %s", err, tail(out))
			}
			return nil
		})
	})
}

// nodeVersion is the major version of Node.js; 0 without it.
func nodeVersion(ctx context.Context) int {
	out, err := exec.CommandContext(ctx, "node", "--version").Output()
	if err != nil {
		return 0
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(string(out), "v"), ".")
	v, _ := strconv.Atoi(major) // 0 where it is no number
	return v
}

// tail is the end of what a program printed.
func tail(out []byte) []byte { return out[max(0, len(out)-2000):] }
