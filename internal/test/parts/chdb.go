package parts

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"
)

// chdbPackage is ClickHouse's engine as a library of Python, 165 MB. chdb-core, of
// 534 MB, has the newest engine; both know what the tests ask of it.
const chdbPackage = "chdb-core-lite==26.5.0"

// ChDB returns the Python that can load ClickHouse's engine. It needs python3 with
// venv, and no root.
func ChDB(ctx context.Context, log func(format string, args ...any)) (string, error) {
	dir, err := cached(ctx, log, "chdb", chdbPackage, func(dir string) error {
		return retry(ctx, log, func() error {
			for _, args := range [][]string{
				{"python3", "-m", "venv", "--clear", filepath.Join(dir, "venv")},
				{filepath.Join(dir, "venv/bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", chdbPackage},
			} {
				cmd := exec.CommandContext(ctx, args[0], args[1:]...)
				cmd.WaitDelay = time.Second
				if out, err := cmd.CombinedOutput(); err != nil {
					return fmt.Errorf("%q: %w: %s", args, err, tail(out))
				}
			}
			return nil
		})
	})
	return filepath.Join(dir, "venv/bin/python"), err
}
