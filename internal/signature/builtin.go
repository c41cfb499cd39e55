package signature

import (
	"embed"
	"sync"
)

//go:embed builtin/*.fp
var builtinFiles embed.FS

// Builtin returns the database that ships with mxprint: the files of the
// folder builtin, one after the other. It is parsed once.
var Builtin = sync.OnceValue(func() *DB {
	db, err := Load("")
	if err != nil {
		panic(err) // TestBuiltin keeps it from happening
	}
	return db
})

// readBuiltin reads the files of the built-in database, in the order of their
// names.
func (p *parser) readBuiltin() {
	entries, _ := builtinFiles.ReadDir("builtin")
	for _, e := range entries {
		name := "builtin/" + e.Name()
		text, err := builtinFiles.ReadFile(name)
		if err != nil {
			p.err = err
		}
		if p.err != nil {
			return
		}
		p.read(name, string(text))
	}
}
