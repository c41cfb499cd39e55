package config

import (
	"path/filepath"
	"slices"
	"time"
)

// Store is [store], the memory that lasts.
type Store struct {
	Path    string        `toml:"path"`
	SizeMiB int           `toml:"size_mib"`
	Age     time.Duration `toml:"age"`
	IDAge   time.Duration `toml:"id_age"`
	Listen  []string      `toml:"listen"`
	Milter  []string      `toml:"milter"`
	Mode    string        `toml:"mode"`

	Valkey
}

// DefaultVerdictSocket is where the commands send verdicts.
const DefaultVerdictSocket = "/run/mxprint/verdict.sock"

func defaultStore() Store {
	return Store{SizeMiB: 2048, Age: 720 * time.Hour, IDAge: 336 * time.Hour, Mode: "0660"}
}

func (s *Store) check(k *checker) {
	k.that(s.Path == "" || filepath.IsAbs(s.Path), "store.path", "want the absolute path of a file")
	k.between(s.SizeMiB, 16, 1_000_000, "store.size_mib")
	k.that(s.Age >= 24*time.Hour && s.Age <= 8760*time.Hour, "store.age", `want a duration from "24h" to "8760h"`)
	k.that(s.IDAge >= time.Hour && s.IDAge <= s.Age, "store.id_age", `want a duration from "1h" to store.age`)
	k.endpoints("store", slices.Concat(s.Listen, s.Milter), s.Mode)
	k.that(len(s.Listen) == 0 || s.Path != "" || s.Valkey.On(), "store.listen", "there is nothing to take verdicts into: name the file, store.path")
	k.that(len(s.Milter) == 0 || s.Path != "", "store.milter", "there is nothing to take verdicts into: name the file, store.path")
	s.Valkey.check(k)
}
