package parts

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Program builds mxprint, as it is in this checkout, and returns its path in dir.
// The tests of many packages need it, and linking it takes longer than most of
// them: it is linked in the cache, where the compiler finds it as long as
// nothing has changed, and copied from there.
func Program(ctx context.Context, dir string) (path string, err error) {
	cache, err := Dir()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("parts: %w", err)
	}
	built := filepath.Join(cache, "program", "mxprint")
	unlock, err := lock(ctx, func(string, ...any) {}, filepath.Dir(built))
	if err != nil {
		return "", fmt.Errorf("parts: the program: %w", err)
	}
	defer unlock()
	cmd := exec.CommandContext(ctx, "go", "build", "-o", built, "github.com/mxprint/mxprint/cmd/mxprint")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("parts: building mxprint: %w\n%s", err, out)
	}
	path = filepath.Join(dir, "mxprint")
	// By another process: one that forks has each file open for a moment that this one
	// writes, and the kernel runs no program that is open for writing.
	if out, err := exec.CommandContext(ctx, "cp", built, path).CombinedOutput(); err != nil {
		return "", fmt.Errorf("parts: copying mxprint: %w\n%s", err, out)
	}
	return path, nil
}
