package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
)

// An entry is one file of an initial file system.
type entry struct {
	name string // without a leading slash
	mode uint32 // as in stat(2)
	data []byte
}

const (
	directory  = 0o040755
	executable = 0o100755
	regular    = 0o100644
)

// writeCPIO writes a file system in the "newc" form of cpio that Linux unpacks
// at boot (Documentation/driver-api/early-userspace/buffer-format.rst). A file
// follows the folder it is in.
func writeCPIO(w io.Writer, entries []entry) error {
	for i, e := range append(entries, entry{name: "TRAILER!!!"}) {
		// Magic; inode, mode, uid, gid, links, mtime, size, device, special
		// device, size of the name, unused checksum.
		header := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
			i+1, e.mode, 0, 0, 1, 0, len(e.data), 0, 0, 0, 0, len(e.name)+1, 0, e.name)
		for _, part := range [][]byte{[]byte(header), e.data} {
			padding := make([]byte, -len(part)&3)
			if _, err := w.Write(append(part[:len(part):len(part)], padding...)); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeInitrd makes the file system of the machine: the program, the modules in
// the order they are loaded, the folders that the program mounts on, and a
// folder's files, if one is given.
func writeInitrd(file, program string, modules []string, root string) (err error) {
	entries := []entry{{name: "proc", mode: directory}, {name: "dev", mode: directory}, {name: "modules", mode: directory}}
	data, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	entries = append(entries, entry{name: "init", mode: executable, data: data})
	for i, module := range modules {
		data, err := os.ReadFile(module)
		if err != nil {
			return err
		}
		entries = append(entries, entry{name: fmt.Sprintf("modules/%02d.ko", i), mode: regular, data: data})
	}
	if root != "" {
		more, err := readTree(root)
		if err != nil {
			return err
		}
		entries = append(entries, more...)
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := writeCPIO(f, entries); err != nil {
		return err
	}
	return f.Close()
}

// readTree reads the files and folders below a folder.
func readTree(root string) (entries []entry, err error) {
	tree := os.DirFS(root)
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		e := entry{name: name, mode: directory}
		if !d.IsDir() {
			e.mode = executable
			e.data, err = fs.ReadFile(tree, name)
		}
		entries = append(entries, e)
		return err
	})
	return entries, err
}
