package signature

import (
	"embed"
	"io"
	"strings"
	"sync"
)

//go:embed builtin/*.fp
var builtinFiles embed.FS

// Builtin returns the database that ships with mxprint: the files of the
// folder builtin, one after the other. It is parsed once.
var Builtin = sync.OnceValue(func() *DB {
	db, err := Parse(strings.NewReader(BuiltinText()), "built-in database")
	if err != nil {
		panic(err) // TestBuiltin keeps it from happening
	}
	return db
})

// BuiltinText returns the text of the built-in database.
func BuiltinText() string {
	var b strings.Builder
	entries, _ := builtinFiles.ReadDir("builtin") // sorted by name
	for _, e := range entries {
		f, err := builtinFiles.Open("builtin/" + e.Name())
		if err != nil {
			continue
		}
		io.Copy(&b, f)
		f.Close()
	}
	return b.String()
}
