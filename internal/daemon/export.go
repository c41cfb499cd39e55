package daemon

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/export"
)

// minKey is how long the key of hashes is at least, in bytes.
const minKey = 16

// exporting is what the files of [export] hold.
type exporting struct {
	clickhouse *export.ClickHouse // nil: none
	key        []byte
}

// loadExport reads the files of [export].
func (s *Settings) loadExport() (err error) {
	c := &s.Export
	if !c.On() {
		return nil
	}
	s.export = &exporting{}
	if c.KeyFile != "" {
		key, err := readSecret(c.KeyFile)
		if err == nil && len(key) < minKey {
			err = fmt.Errorf("%s: want %d bytes at least: (umask 077; openssl rand -hex 32 >%s)", c.KeyFile, minKey, c.KeyFile)
		}
		if err != nil {
			return s.At("export.key_file", err)
		}
		s.export.key = []byte(key)
	}
	if c.ClickHouse != "" {
		s.export.clickhouse, err = clickHouse(s.Config)
	}
	return err
}

// clickHouse is the server that [export] names.
func clickHouse(c *config.Config) (ch *export.ClickHouse, err error) {
	e := &c.Export
	server := export.ClickHouseConfig{URL: e.ClickHouse, Database: e.Database, User: e.User, Deadline: e.Deadline, Keep: e.Age}
	if e.PasswordFile != "" {
		if server.Password, err = readSecret(e.PasswordFile); err != nil {
			return nil, c.At("export.password_file", err)
		}
	}
	if e.TLS() {
		roots, err := certificates(e.CA)
		if err != nil && e.CA == "" {
			return nil, c.At("export.clickhouse", err)
		} else if err != nil {
			return nil, c.At("export.ca", err)
		}
		server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	}
	ch, err = export.NewClickHouse(server)
	return ch, c.At("export.clickhouse", err)
}

// ExportReader reads the history that [export] of a configuration sends.
func ExportReader(c *config.Config) (*export.Reader, error) {
	if c.Export.ClickHouse == "" {
		return nil, errors.New("the configuration names no ClickHouse: set [export] clickhouse (docs/clickhouse.md)")
	}
	ch, err := clickHouse(c)
	if err != nil {
		return nil, err
	}
	return &export.Reader{ClickHouse: ch}, nil
}

// openExport opens the spool and the file of history, if there are to be any.
func (o *opener) openExport() {
	c := &o.Export
	if !c.On() {
		return
	}
	if o.trial != nil {
		if c.ClickHouse != "" {
			o.fail("export.spool", "export", tryFolder(c.Spool))
		}
		if c.File != "" {
			o.fail("export.file", "export", tryAppend(c.File))
		}
		return
	}
	sensor, _ := os.Hostname()
	cfg := export.Config{ClickHouse: o.export.clickhouse, Spool: c.Spool, MaxSpool: int64(c.SpoolMiB) << 20, Every: c.Every, Sensor: sensor, Key: o.export.key, Logger: o.log}
	for _, name := range c.Tables {
		if t, ok := export.ParseTable(name); ok {
			cfg.Tables = append(cfg.Tables, t)
		}
	}
	if c.File != "" {
		f, err := OpenLog(c.File, o.user)
		if err != nil {
			o.fail("export.file", "export", err)
			return
		}
		o.close(f)
		o.rowFile, cfg.File = f, f
	}
	if c.ClickHouse != "" {
		if err := makeFolder(c.Spool, o.user); err != nil {
			o.fail("export.spool", "export", err)
			return
		}
	}
	e, err := export.New(cfg)
	if err != nil {
		o.fail("export.spool", "export", err)
		return
	}
	o.close(e)
	o.exporter = e
	if c.ClickHouse != "" {
		o.fail("export.spool", "export", o.user.giveTree(c.Spool))
	}
}

// giveTree makes a folder and the files in it the user's.
func (a *account) giveTree(folder string) error {
	if a == nil {
		return nil
	}
	list, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, item := range list {
		if item.Type().IsRegular() {
			err = errors.Join(err, a.giveFile(filepath.Join(folder, item.Name())))
		}
	}
	return errors.Join(err, a.giveFolder(folder))
}

// tryFolder tries whether files can be made in a folder, which it makes and
// removes if it does not exist.
func tryFolder(folder string) error {
	made, err := makeAll(folder)
	defer removeAll(made)
	if err == nil {
		err = tryReplace(filepath.Join(folder, "lock"))
	}
	return err
}

// exports has the answers of the sensor pass by the exporter, and adds its task.
func (o *opener) exports() {
	e := o.exporter
	if e == nil {
		return
	}
	o.in.who = e.Lookuper(o.in.who)
	o.in.monitor.exporter = e
	if o.rowFile != nil {
		o.in.logs = append(o.in.logs, o.rowFile)
	}
	o.tasks = append(o.tasks, without(o.log, "the export of history", e.Run))
}

// savesRows has the rows in memory written before the process executes another
// program, and at its end.
func (o *opener) savesRows() {
	if o.exporter == nil {
		return
	}
	before := o.process.Save
	o.process.Save = func() {
		if before != nil {
			before()
		}
		o.exporter.Save()
	}
}

// exportFiles are the folder and files of [export], for the sandbox: what is
// replaced, and what is read.
func (s *Settings) exportFiles() (replace, read, trees []string) {
	c := &s.Export
	if c.ClickHouse == "" {
		return nil, []string{c.KeyFile}, nil
	}
	if c.TLS() && c.CA == "" {
		trees = systemCAs
	}
	return []string{filepath.Join(c.Spool, "lock")}, []string{c.KeyFile, c.PasswordFile, c.CA}, append(trees[:len(trees):len(trees)], c.Spool)
}
