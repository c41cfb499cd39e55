package synlab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Label says how a capture of testdata/lab came to be.
type Label struct {
	Setting
	File   string `json:"file"`
	Family string `json:"family"` // what every packet of it must be named
	Kernel string `json:"kernel"` // the version that made it, of a kernel or of a stack without one

	Package string `json:"package,omitempty"` // "debian linux-image-…": where that came from
	RAM     int    `json:"ram,omitempty"`     // MiB of the machine; 0 is unknown, and enough
}

// ReadLabels returns the labels of all captures in a folder, none if it has no
// labels.json.
func ReadLabels(dir string) ([]Label, error) {
	text, err := os.ReadFile(filepath.Join(dir, "labels.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var labels []Label
	if err := json.Unmarshal(text, &labels); err != nil {
		return nil, fmt.Errorf("synlab: reading the labels of %s: %w", dir, err)
	}
	return labels, nil
}

// ReplaceLabels puts labels instead of those of the same series of kernels
// ("6.12") from the same distributor, the first word of their package, and
// removes the captures that no label names any more. The labels given are of
// one series.
func ReplaceLabels(dir, distributor string, labels []Label) error {
	old, err := ReadLabels(dir)
	if err != nil || len(labels) == 0 {
		return err
	}
	stale := map[string]bool{}
	var all []Label
	for _, l := range old {
		from, _, _ := strings.Cut(l.Package, " ")
		if Series(l.Kernel) == Series(labels[0].Kernel) && from == distributor {
			stale[l.File] = true
			continue
		}
		all = append(all, l)
	}
	for _, l := range labels {
		delete(stale, l.File)
	}
	for file := range stale {
		if err := os.Remove(filepath.Join(dir, file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return writeLabels(dir, append(all, labels...))
}

// SetLabel replaces the label of the same capture, or behind all.
func SetLabel(dir string, label Label) error {
	all, err := ReadLabels(dir)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(all, func(l Label) bool { return l.File == label.File }); i >= 0 {
		all[i] = label
	} else {
		all = append(all, label)
	}
	return writeLabels(dir, all)
}

func writeLabels(dir string, labels []Label) error {
	text, err := json.MarshalIndent(labels, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "labels.json"), append(text, '\n'), 0o644)
}

// Series makes "6.12" of "6.12.117".
func Series(kernel string) string {
	parts := strings.SplitN(kernel, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}
