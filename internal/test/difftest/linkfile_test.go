package difftest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// TestLinkFiles holds the table in LinkFiles to the real p0f.
func TestLinkFiles(t *testing.T) {
	p0f := Program{p0fPath(t)}
	dir := t.TempDir()
	for _, f := range LinkFiles() {
		t.Run(f.Name, func(t *testing.T) {
			file := filepath.Join(dir, f.Name)
			if err := os.WriteFile(file, f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := p0f.Run(context.Background(), dir, file, StockDatabase)
			if err != nil {
				t.Fatal(err)
			}
			got := LinkFile{f.Name, nil, out.Packets, len(out.Log), len(out.Strange) > 0, out.Exit == 1}
			want := f
			want.Data = nil
			if got.Name != want.Name || got.Packets != want.Packets || got.Lines != want.Lines ||
				got.Strange != want.Strange || got.Refused != want.Refused {
				t.Errorf("p0f on %s = %+v, want %+v\n%s", f.Name, got, want, out.Stderr)
			}
		})
	}
}
